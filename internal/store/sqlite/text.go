package sqlite

import (
	"feedmill/internal/store"
	"strconv"
	"time"
)

// text returns s as an argument of a statement that turns NULL into the empty
// text: unlike an empty string, a nil costs no copy for SQLite.
func text(s string) any {
	if s == "" {
		return nil
	}
	return store.Readable(s)
}

// seconds returns t as an argument for a column in which NULL means never.
func seconds(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}

// idList returns ids as a JSON array, the way to hand SQLite a list.
func idList(ids []int64) string {
	b := make([]byte, 0, 8*len(ids)+2)
	b = append(b, '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}
