package store

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"feedmill/internal/feeds"
)

// readable returns s as valid UTF-8 without NUL, each run of other bytes
// replaced by one U+FFFD: SQLite's own functions end a text at its first NUL,
// and tools around it stumble over broken UTF-8.
func readable(s string) string {
	if feeds.ValidUTF8(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\xff"), "\uFFFD")
}

// text returns s as an argument of a statement that turns NULL into the empty
// text: unlike an empty string, a nil costs no copy for SQLite.
func text(s string) any {
	if s == "" {
		return nil
	}
	return readable(s)
}

// seconds returns t as an argument for a column in which NULL means never.
func seconds(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}

// timeAt is the inverse of seconds, for a column read with coalesce(…, 0).
func timeAt(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0)
}

// An enclosure is a feeds.Enclosure as items.enclosures spells it.
type enclosure struct {
	URL    string `json:"url"`
	Type   string `json:"type,omitempty"`
	Length int64  `json:"length,omitempty"`
}

// categoriesJSON returns list as a JSON array, or "" for an empty one.
func categoriesJSON(list []string) string {
	if len(list) == 0 {
		return ""
	}
	if s, ok := plainList(list); ok {
		return s
	}
	clean := make([]string, len(list))
	for i, s := range list {
		clean[i] = readable(s)
	}
	return jsonText(clean)
}

// plainList is jsonText for a list in which nothing needs an escape or is no
// text, as in nearly all. It is quicker by ten times.
func plainList(list []string) (string, bool) {
	n := 1
	for _, s := range list {
		for i := range len(s) {
			if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
				return "", false
			}
		}
		n += len(s) + 3
	}
	b := make([]byte, 0, n)
	for i, s := range list {
		b = append(b, "[,"[min(i, 1)], '"')
		b = append(b, s...)
		b = append(b, '"')
	}
	return string(append(b, ']')), true
}

// enclosuresJSON returns list as a JSON array, or "" for an empty one.
func enclosuresJSON(list []feeds.Enclosure) string {
	if len(list) == 0 {
		return ""
	}
	clean := make([]enclosure, len(list))
	for i, e := range list {
		clean[i] = enclosure{URL: readable(e.URL), Type: readable(e.Type), Length: e.Length}
	}
	return jsonText(clean)
}

// jsonText returns v as JSON without the escapes that only HTML needs.
func jsonText(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // strings and numbers only
	}
	return strings.TrimSuffix(b.String(), "\n")
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
