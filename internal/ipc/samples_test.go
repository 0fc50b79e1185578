package ipc

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
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
		{"hello-worker", &Hello{
			Version: Version, Build: "feedmill v1.0.0", MaxFrame: 64 << 20, Sandbox: "landlock:7 seccomp rlimits"}},
		{"hello-coordinator", &Hello{
			Version: Version, Build: "feedmill v1.0.0", MaxFrame: 64 << 20, Options: []byte("\x81\xa7PerHost\x01")}},
		{"shard", &Shard{Jobs: []feeds.Job{
			{ID: 1, URL: "https://example.org/feed"},
			{ID: 300, URL: "http://example.net/rss", Validators: feeds.Validators{ETag: `W/"x"`, LastModified: "Mon, 05 Jan 2026 10:00:00 GMT"},
				BodyHash: 0xfedcba9876543210, Known: []feeds.Known{{Key: item.Key, Hash: item.Hash}, {Key: feeds.Key{1}, Hash: 0}}},
		}}},
		{"result-not-modified", &Result{feeds.Result{
			ID: 300, Class: feeds.NotModified, Status: 304, Attempts: 1,
			Validators: feeds.Validators{ETag: `W/"x"`, LastModified: "Mon, 05 Jan 2026 10:00:00 GMT"}, BodyHash: 0xfedcba9876543210,
			Pacing: feeds.Pacing{MaxAge: time.Hour}, Cost: feeds.Cost{Fetch: 12345678}}}},
		{"result-ok", &Result{feeds.Result{
			ID: 1, Class: feeds.OK, Status: 200, Attempts: 1, BodyHash: 0x1111222233334444,
			Title: "Example", Link: "https://example.org/", Items: []feeds.Item{item}, Seen: 20, New: 1,
			Pacing: feeds.Pacing{TTL: time.Hour, SkipHours: 1<<23 | 1, SkipDays: 1 << 6},
			Cost:   feeds.Cost{Wire: 1000, Fetch: 41 * time.Millisecond, Parse: 800 * time.Microsecond},
			Reader: feeds.ReaderFast}}},
		{"result-failed", &Result{feeds.Result{
			ID: 2, Class: feeds.BlockedAddress, Detail: "127.0.0.1", Hint: "add --allow-net 127.0.0.0/8", Attempts: 1}}},
		{"items", &Items{ID: 1, Items: []feeds.Item{item, {Key: feeds.Key{2}}}}},
		{"heartbeat", &Heartbeat{At: 12 * time.Second, CPU: 345 * time.Millisecond, Job: 300, Phase: 3, Bytes: 70_000}},
		{"drain", &Drain{}},
		{"bye", &Bye{CPU: 2345 * time.Millisecond}},
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
			if v.Type().Field(i).Tag.Get("msgpack") == "-" {
				continue // it does not travel
			}
			fill(t, v.Field(i), next)
			if name := v.Type().Field(i).Name; v.Type() == reflect.TypeFor[feeds.Result]() && (name == "MovedTo" || name == "Links") ||
				v.Type() == reflect.TypeFor[feeds.Validators]() && name == "URL" {
				web(v.Field(i))
			}
		}
	default:
		t.Fatalf("no way to fill a %s", v.Type())
	}
}

// web makes URLs of the texts below v.
func web(v reflect.Value) {
	if v.Kind() == reflect.String {
		v.SetString("https://example.org/" + strings.ReplaceAll(v.String(), " ", "-"))
		return
	}
	for i := range v.Len() {
		web(v.Index(i))
	}
}
