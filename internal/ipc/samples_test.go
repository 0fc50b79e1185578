package ipc

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"feedmill/internal/feeds"
)

// A sample is one message with a name, as docs/protocol.md shows it.
type sample struct {
	name string
	m    Message
}

// samples returns one message of each shape. Their bytes are golden: see
// TestGoldenBytes and TestProtocolDocument.
func samples() []sample {
	item := feeds.Item{
		Key:       feeds.Key{0x4f, 0x1e, 0x9a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		Hash:      0x0123456789abcdef,
		GUID:      "tag:example.org,2026:1",
		Link:      "https://example.org/1",
		Title:     "Grüße",
		Author:    "Ann, Bo",
		Summary:   "short",
		Content:   "<p>long</p>",
		Image:     "",
		Published: 1767225600,
		Updated:   -1,
		Categories: []string{
			"news", "go",
		},
		Enclosures: []feeds.Enclosure{{URL: "https://example.org/1.mp3", Type: "audio/mpeg", Length: 70000}},
	}
	return []sample{
		{"hello-worker", Message{Hello: &Hello{
			Version: Version, Build: "feedmill v1.0.0", MaxFrame: 64 << 20, PID: 4711, Sandbox: "landlock:7 seccomp rlimits"}}},
		{"hello-coordinator", Message{Hello: &Hello{
			Version: Version, Build: "feedmill v1.0.0", MaxFrame: 64 << 20, Options: &feeds.Options{
				Timeout: 30 * time.Second, MaxBody: 20 << 20, MaxWire: 10 << 20, PerHost: 1, Fetches: 16,
				DrainGrace: 10 * time.Second, AllowNet: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
				Ports: []uint16{80, 443}}}}},
		{"shard", Message{Shard: &Shard{Jobs: []feeds.Job{
			{ID: 1, URL: "https://example.org/feed"},
			{ID: 300, URL: "http://example.net/rss", Validators: feeds.Validators{ETag: `W/"x"`, LastModified: "Mon, 05 Jan 2026 10:00:00 GMT"},
				BodyHash: 0xfedcba9876543210, Known: []feeds.Known{{Key: item.Key, Hash: item.Hash}, {Key: feeds.Key{1}, Hash: 0}}},
		}}}},
		{"result-not-modified", Message{Result: &feeds.Result{
			ID: 300, Class: feeds.NotModified, Status: 304, Attempts: 1,
			Validators: feeds.Validators{ETag: `W/"x"`, LastModified: "Mon, 05 Jan 2026 10:00:00 GMT"}, BodyHash: 0xfedcba9876543210,
			Pacing: feeds.Pacing{MaxAge: time.Hour}, Cost: feeds.Cost{Fetch: 12345678}}}},
		{"result-ok", Message{Result: &feeds.Result{
			ID: 1, Class: feeds.OK, Status: 200, Attempts: 1, BodyHash: 0x1111222233334444,
			Title: "Example", Link: "https://example.org/", Items: []feeds.Item{item}, Seen: 20, New: 1,
			Pacing: feeds.Pacing{TTL: time.Hour, SkipHours: 1<<23 | 1, SkipDays: 1 << 6},
			Cost:   feeds.Cost{Wire: 1000, Decoded: 9000, Fetch: 41 * time.Millisecond, Parse: 800 * time.Microsecond},
			Reader: feeds.ReaderFast}}},
		{"result-failed", Message{Result: &feeds.Result{
			ID: 2, Class: feeds.BlockedAddress, Detail: "127.0.0.1", Hint: "add --allow-net 127.0.0.0/8", Attempts: 1}}},
		{"items", Message{Items: &Items{ID: 1, Items: []feeds.Item{item, {Key: feeds.Key{2}}}}}},
		{"tick", Message{Tick: &Tick{Parsing: 300, UnderWay: 16, Queued: 200}}},
		{"cancel", Message{Cancel: &Cancel{ID: 300}}},
		{"drain", Message{Drain: &Drain{}}},
		{"bye", Message{Bye: &Bye{Answered: 2}}},
		{"batch", Message{Batch: &Batch{Number: 7, Jobs: []feeds.Job{{ID: 1, URL: "https://example.org/feed"}}}}},
		{"claim", Message{Claim: &Claim{Batch: 7}}},
		{"grant", Message{Grant: &Grant{Batch: 7, Begin: true, Take: true}}},
		{"call", Message{Call: &Call{Method: MethodExtend, Incarnation: 7, ID: 1, Items: []feeds.Item{item}}}},
		{"reply", Message{Reply: &Reply{More: true, Items: []feeds.Item{item}}}},
		{"reply-failed", Message{Reply: &Reply{Error: "there is no such list"}}},
		{"mapped", Message{Mapped: &Mapped{Frames: 7, Bytes: 1_800_000}}},
	}
}

// fill sets every field below v, which must be settable, to a value of its own
// that is not zero. It fails the test on a type that it does not know: whoever
// adds one must say here how it is filled.
func fill(t *testing.T, v reflect.Value, next *int64) {
	t.Helper()
	*next++
	n := *next
	switch p := v.Addr().Interface().(type) {
	case *feeds.Class:
		*p = feeds.Classes()[n%int64(len(feeds.Classes()))]
		return
	case *feeds.Ship:
		*p = feeds.ShipAll
		return
	case *feeds.Parser:
		*p = feeds.ParserGofeed
		return
	case *feeds.Reader:
		*p = feeds.ReaderGofeed
		return
	case *feeds.Decline:
		*p = feeds.DeclinePanic
		return
	case *feeds.Key:
		binary.BigEndian.PutUint64(p[:], uint64(n))
		binary.BigEndian.PutUint64(p[8:], uint64(n)<<40)
		return
	case *netip.Prefix:
		*p = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n), 0}), 24)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(n * 1000003)
	case reflect.Uint8:
		v.SetUint(uint64(n%255 + 1))
	case reflect.Uint16:
		v.SetUint(uint64(n)%65535 + 1)
	case reflect.Uint32:
		v.SetUint(uint64(n) * 70001)
	case reflect.Uint64:
		v.SetUint(uint64(n) << 33)
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			fill(t, v.Index(i), next)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), next)
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				t.Fatalf("%s.%s is not exported: it cannot travel", v.Type(), v.Type().Field(i).Name)
			}
			fill(t, v.Field(i), next)
		}
	default:
		t.Fatalf("no way to fill a %s", v.Type())
	}
}
