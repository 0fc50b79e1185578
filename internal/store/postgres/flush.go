package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"feedmill/internal/feeds"
	"feedmill/internal/store"
)

// How what a Saver has decided is written: new items by COPY, and everything else in
// as many statements as there are kinds of it, their rows as arrays.
//
// Rejected: COPY into a temporary table and INSERT … ON CONFLICT from there. The
// feeds are locked and their keys known, so nothing can conflict, and it took twice
// the server's processor time.

// flush writes all of it, and gives saved the ids that the items have got.
func (r *rows) flush(saved []feeds.Saved) error {
	if err := r.flushInserts(saved); err != nil {
		return fmt.Errorf("store items: %w", err)
	}
	if err := r.flushUpdates(); err != nil {
		return fmt.Errorf("update items: %w", err)
	}
	return r.flushFeeds()
}

// copySQL has its columns in the order of appendItem.
const copySQL = `COPY items (id, feed_id, seq, key, hash, first_seen, edits, published, updated,
	guid, link, title, author, image, categories, enclosures, summary, content) FROM STDIN BINARY`

const itemColumns = 18

// keptBuffer is up to which size in bytes the memory of a COPY serves the next one:
// a group commit has some 4 MiB.
const keptBuffer = 16 << 20

func (r *rows) flushInserts(saved []feeds.Saved) error {
	if len(r.inserts) == 0 {
		return nil
	}
	var first int64
	if err := r.tx.QueryRow(r.ctx, "SELECT take_ids($1)", len(r.inserts)).Scan(&first); err != nil {
		return err
	}
	for i := range saved {
		if saved[i].New > 0 {
			saved[i].FirstID += first - 1
		}
	}
	b := append((*r.buf)[:0], "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for i := range r.inserts {
		b = appendItem(b, &r.inserts[i], first+int64(i))
	}
	b = append(b, 0xff, 0xff)
	if cap(b) <= keptBuffer {
		*r.buf = b
	}
	_, err := r.tx.Conn().PgConn().CopyFrom(r.ctx, bytes.NewReader(b), copySQL)
	r.inserts = nil
	return err
}

// appendItem appends one row as COPY's binary format has it.
func appendItem(b []byte, in *insert, id int64) []byte {
	it := in.it
	b = binary.BigEndian.AppendUint16(b, itemColumns)
	for _, n := range [...]int64{id, in.o.ID, in.seq} {
		b = appendInt(b, n)
	}
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(in.mine.key))), in.mine.key[:]...)
	b = appendInt(appendInt(b, int64(it.Hash)), in.o.At.Unix())
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, 4), uint32(in.mine.edits))
	for _, at := range [...]int64{it.Published, it.Updated} {
		if at == 0 {
			b = append(b, 0xff, 0xff, 0xff, 0xff) // NULL
		} else {
			b = appendInt(b, at)
		}
	}
	for _, s := range [...]string{it.GUID, it.Link, it.Title, it.Author, it.Image} {
		b = appendText(b, store.Readable(s))
	}
	b = appendText(appendText(b, orEmpty(store.CategoriesJSON(it.Categories))), orEmpty(store.EnclosuresJSON(it.Enclosures)))
	return appendText(appendText(b, store.Readable(it.Summary)), store.Readable(it.Content))
}

func appendInt(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(n))
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// orEmpty returns a list as a column has it.
func orEmpty(list string) string {
	if list == "" {
		return "[]"
	}
	return list
}

var updateItemsSQL = `UPDATE items i SET hash = u.hash, edits = u.edits, published = nullif(u.published, 0), updated = nullif(u.updated, 0),
	guid = u.guid, link = u.link, title = u.title, author = u.author, image = u.image,
	categories = u.categories, enclosures = u.enclosures, summary = u.summary, content = u.content
	FROM ` + unnested("feed_id bigint, key uuid, hash bigint, edits int, published bigint, updated bigint, guid text, link text, title text, "+
	"author text, image text, categories text, enclosures text, summary text, content text") + ` u
	WHERE i.feed_id = u.feed_id AND i.key = u.key`

// flushUpdates writes the items that were replaced so far.
func (r *rows) flushUpdates() error {
	if len(r.updates) == 0 {
		return nil
	}
	_, err := r.tx.Exec(r.ctx, updateItemsSQL,
		column(r.updates, func(k *known) int64 { return k.feed }),
		column(r.updates, func(k *known) [16]byte { return k.key }),
		column(r.updates, func(k *known) int64 { return int64(k.hash) }),
		column(r.updates, func(k *known) int32 { return int32(k.edits) }),
		column(r.updates, func(k *known) int64 { return k.now.Published }),
		column(r.updates, func(k *known) int64 { return k.now.Updated }),
		column(r.updates, func(k *known) string { return store.Readable(k.now.GUID) }),
		column(r.updates, func(k *known) string { return store.Readable(k.now.Link) }),
		column(r.updates, func(k *known) string { return store.Readable(k.now.Title) }),
		column(r.updates, func(k *known) string { return store.Readable(k.now.Author) }),
		column(r.updates, func(k *known) string { return store.Readable(k.now.Image) }),
		column(r.updates, func(k *known) string { return orEmpty(store.CategoriesJSON(k.now.Categories)) }),
		column(r.updates, func(k *known) string { return orEmpty(store.EnclosuresJSON(k.now.Enclosures)) }),
		column(r.updates, func(k *known) string { return store.Readable(k.now.Summary) }),
		column(r.updates, func(k *known) string { return store.Readable(k.now.Content) }))
	for _, k := range r.updates {
		k.now = nil
	}
	r.updates = nil
	return err
}

var (
	succeedSQL = `UPDATE feeds f SET
		title = CASE WHEN u.title = '' THEN f.title ELSE u.title END, link = CASE WHEN u.link = '' THEN f.link ELSE u.link END,
		etag = u.etag, last_modified = u.last_modified, validators_url = u.validators_url, body_hash = u.body_hash,
		next_due = u.next_due, last_checked = u.at, last_success = u.at, fails = 0, class = u.class, detail = u.detail, status = u.status,
		moved_to = u.moved_to, moved_run = u.moved_run, seq = u.seq, items = u.items,
		last_full = CASE WHEN u.full_at THEN u.at ELSE f.last_full END, ttl = u.ttl, skip_hours = u.skip_hours, skip_days = u.skip_days,
		reader = CASE WHEN u.reader = 0 THEN f.reader ELSE u.reader END
		FROM ` + unnested("id bigint, title text, link text, etag bytea, last_modified bytea, validators_url text, body_hash bigint, "+
		"next_due bigint, at bigint, class text, detail text, status int, moved_to text, moved_run bigint, seq bigint, items bigint, "+
		"full_at bool, ttl bigint, skip_hours int, skip_days int, reader bigint") + ` u
		WHERE f.id = u.id`

	failSQL = `UPDATE feeds f SET next_due = u.next_due, last_checked = CASE WHEN u.at = 0 THEN f.last_checked ELSE u.at END, fails = u.fails, class = u.class, detail = u.detail, status = u.status,
		seq = u.seq, items = u.items, last_full = CASE WHEN u.full_at THEN u.at ELSE f.last_full END,
		reader = CASE WHEN u.reader = 0 THEN f.reader ELSE u.reader END
		FROM ` + unnested("id bigint, next_due bigint, at bigint, fails int, class text, detail text, status int, seq bigint, items bigint, "+
		"full_at bool, reader bigint") + ` u
		WHERE f.id = u.id`

	noteSharedSQL = `INSERT INTO shared (feed_id, key) SELECT * FROM unnest($1::bigint[], $2::uuid[]) ON CONFLICT DO NOTHING`

	// holdSQL keeps the later of two times. A domain that has no feed, where an outcome
	// names one, is due never.
	holdSQL = `INSERT INTO hosts (domain, hold_until, next_due) SELECT d, h, 4611686018427387904 FROM unnest($1::text[], $2::bigint[]) u(d, h) ORDER BY d COLLATE "C"
		ON CONFLICT (domain) DO UPDATE SET hold_until = greatest(hosts.hold_until, excluded.hold_until)`
)

// flushFeeds writes what outcomes say of their feeds, in one question.
func (r *rows) flushFeeds() error {
	var b pgx.Batch
	if list := r.succeed; len(list) > 0 {
		queueSucceeded(&b, list)
	}
	if list := r.fail; len(list) > 0 {
		b.Queue(failSQL,
			column(list, func(x *said) int64 { return x.o.ID }), column(list, func(x *said) int64 { return store.NotBefore(x.o.NextDue) }),
			column(list, func(x *said) int64 { return store.AskedAt(x.o) }), column(list, func(x *said) int32 { return int32(x.o.Fails) }),
			column(list, func(x *said) string { return string(x.o.Class) }), column(list, func(x *said) string { return store.Readable(x.o.Detail) }),
			column(list, func(x *said) int32 { return int32(x.o.Status) }), column(list, func(x *said) int64 { return x.s.Seq }),
			column(list, func(x *said) int64 { return x.s.Items }), column(list, func(x *said) bool { return x.o.Full && store.AskedAt(x.o) != 0 }),
			column(list, func(x *said) int64 { return x.reader }))
	}
	if list := r.noted; len(list) > 0 {
		b.Queue(noteSharedSQL, column(list, func(x *sharedKey) int64 { return x.feed }), column(list, func(x *sharedKey) [16]byte { return x.key }))
	}
	if len(r.holds) > 0 {
		var domains []string
		var until []int64
		for d, at := range r.holds {
			domains, until = append(domains, d), append(until, at)
		}
		b.Queue(holdSQL, domains, until)
	}
	r.succeed, r.fail, r.noted = nil, nil, nil
	clear(r.holds)
	if b.Len() == 0 {
		return nil
	}
	if err := r.tx.SendBatch(r.ctx, &b).Close(); err != nil {
		return fmt.Errorf("write feeds: %w", err)
	}
	return nil
}

func queueSucceeded(b *pgx.Batch, list []*said) {
	b.Queue(succeedSQL,
		column(list, func(x *said) int64 { return x.o.ID }),
		column(list, func(x *said) string { return store.Readable(x.o.Title) }),
		column(list, func(x *said) string { return store.Readable(x.o.Link) }),
		column(list, func(x *said) string { return x.o.Validators.ETag }),
		column(list, func(x *said) string { return x.o.Validators.LastModified }),
		column(list, func(x *said) string { return store.Readable(x.o.Validators.URL) }),
		column(list, func(x *said) int64 { return int64(x.o.BodyHash) }),
		column(list, func(x *said) int64 { return store.NotBefore(x.o.NextDue) }),
		column(list, func(x *said) int64 { return x.o.At.Unix() }),
		column(list, func(x *said) string { return string(x.o.Class) }),
		column(list, func(x *said) string { return store.Readable(x.o.Detail) }),
		column(list, func(x *said) int32 { return int32(x.o.Status) }),
		column(list, func(x *said) string { return store.Readable(x.s.MovedTo) }),
		column(list, func(x *said) int64 { return x.s.MovedRun }),
		column(list, func(x *said) int64 { return x.s.Seq }),
		column(list, func(x *said) int64 { return x.s.Items }),
		column(list, func(x *said) bool { return x.o.Full }),
		column(list, func(x *said) int64 { return int64(x.o.Pacing.TTL / time.Second) }),
		column(list, func(x *said) int32 { return int32(x.o.Pacing.SkipHours) }),
		column(list, func(x *said) int32 { return int32(x.o.Pacing.SkipDays) }),
		column(list, func(x *said) int64 { return x.reader }))
}

// readKnown notes the items in rows of knownSQL, whose values are as the server sends
// them: there are many.
func (r *rows) readKnown(got pgx.Rows) error {
	defer got.Close()
	var feed int64
	var all map[feeds.Key]*known
	var block []known
	for got.Next() {
		v := got.RawValues()
		if id := int64(binary.BigEndian.Uint64(v[0])); all == nil || id != feed {
			feed = id
			if all = r.items[id]; all == nil {
				all = make(map[feeds.Key]*known)
				r.items[id] = all
			}
		}
		if len(block) == cap(block) {
			block = slices.Grow([]known(nil), 64)
		}
		block = append(block, known{
			feed: feed, key: feeds.Key(v[1]), hash: binary.BigEndian.Uint64(v[2]),
			edits: int(binary.BigEndian.Uint32(v[3])), seq: int64(binary.BigEndian.Uint64(v[4])),
		})
		k := &block[len(block)-1]
		all[k.key] = k
	}
	return got.Err()
}

// eachKey calls f for each row of a feed's id and a key.
func eachKey(got pgx.Rows, f func(feed int64, key feeds.Key)) error {
	var id int64
	var key [16]byte
	_, err := pgx.ForEachRow(got, []any{&id, &key}, func() error {
		f(id, key)
		return nil
	})
	return err
}
