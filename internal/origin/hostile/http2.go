package hostile

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

// HTTP2 returns the cases that speak HTTP/2 badly, each at a port of its own.
// They are played with Options.HTTP2, for whoever trusts the authority.
func HTTP2() []Case {
	return slices.Concat(http2Answers(), http2Endings(), http2Settings(), http2Frames(), http2Headers(), http2Floods())
}

// says returns the case of a server that says something once it is asked.
func says(name, want, about string, say func(*talk)) Case {
	return Case{Name: "h2-" + name, Want: want, About: about, tls: tlsHTTP2, talk: say, play: (*exchange).sendRSS}
}

// stays returns the case of a server that says something and then nothing more until
// the client is gone.
func stays(name, want, about string, say func(*talk)) Case {
	return says(name, want, about, func(t *talk) { say(t); t.wait() })
}

// floods returns the case of a server that repeats a frame, in place of an answer,
// until the client is gone.
func floods(name, about string, frame func(*talk) error) Case {
	return says("flood-"+name, "http_error header_too_large", about, func(t *talk) { t.until(frame) })
}

// floodsBody is floods within the body of an answer.
func floodsBody(name, about string, frame func(*talk) error) Case {
	return says("flood-"+name, "http_error truncated", about, func(t *talk) { t.head("200"); t.until(frame) })
}

// floodsReplies is floodsBody where the body goes on between what a client has to
// answer.
func floodsReplies(name, about string, frame func(*talk) error) Case {
	return floodsBody("replies-"+name, about, func(t *talk) error {
		t.data(strings.Repeat(" ", 17), false)
		return frame(t)
	})
}

// continued is a frame that begins a header block, and then parts of it until the
// client is gone.
func continued(part []byte) func(*talk) error {
	return func(t *talk) error {
		t.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: t.stream, BlockFragment: headers(":status", "200")})
		for {
			if err := t.fr.WriteContinuation(t.stream, false, part); err != nil {
				return err
			}
		}
	}
}

// http2Answers are those that a client is to read, whatever comes before and after.
func http2Answers() []Case {
	return []Case{
		says("sound", "ok", "an answer as it should be", (*talk).sound),
		says("trailers", "ok", "an answer with trailers", func(t *talk) {
			t.head("200")
			t.data(http2Body, false)
			t.fields(true, "x-checksum", "1")
		}),
		says("early-hints", "ok", "an interim answer (103) first", func(t *talk) { t.head("103"); t.sound() }),
		says("only-http1", "ok", "HTTP_1_1_REQUIRED, and a sound answer over HTTP/1.1", func(t *talk) { t.reset(http2.ErrCodeHTTP11Required) }),
		says("reset-after", "ok", "a sound answer, and then a reset without an error, as servers do that wait for no body", func(t *talk) {
			t.sound()
			t.reset(http2.ErrCodeNo)
		}),
		says("goaway-after", "ok", "GOAWAY that spares the request, and then a sound answer", func(t *talk) {
			t.fr.WriteGoAway(t.stream, http2.ErrCodeNo, nil)
			t.sound()
		}),
		says("window-none", "ok", "SETTINGS that leave a client no room to send, and a sound answer", func(t *talk) {
			t.set(http2.SettingInitialWindowSize, 0)
			t.sound()
		}),
		says("table-huge", "ok", "SETTINGS with a header table of 4 GiB, then an answer", func(t *talk) { t.set(http2.SettingHeaderTableSize, 1<<32-1); t.sound() }),
		says("flood-after", "ok", "a sound answer, and PING frames without end after it", func(t *talk) {
			t.sound()
			t.until(func(t *talk) error { return t.fr.WritePing(false, [8]byte{3}) })
		}),
		says("flood-after-unknown", "ok", "a sound answer, and frames of an unknown type and 16 KiB without end after it", func(t *talk) {
			t.sound()
			t.until(func(t *talk) error { return t.fr.WriteRawFrame(0xee, 0, 0, make([]byte, 16<<10)) })
		}),
		says("flood-after-data", "ok", "a sound answer, and DATA for it without end after it", func(t *talk) {
			t.sound()
			t.until(func(t *talk) error { return t.fr.WriteData(t.stream, false, make([]byte, 100)) })
		}),
	}
}

// http2Endings are ends, and silence, where an answer or the rest of one should be.
func http2Endings() []Case {
	return []Case{
		says("close", "connect", "closes the connection instead of an answer", func(*talk) {}),
		says("goaway", "http_error", "GOAWAY before any answer", func(t *talk) { t.fr.WriteGoAway(0, http2.ErrCodeNo, nil) }),
		says("goaway-error", "http_error", "GOAWAY with PROTOCOL_ERROR", func(t *talk) { t.fr.WriteGoAway(0, http2.ErrCodeProtocol, []byte("no")) }),
		says("goaway-calm", "http_error", "GOAWAY with ENHANCE_YOUR_CALM", func(t *talk) { t.fr.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil) }),
		says("reset-protocol", "http_error", "resets the stream with PROTOCOL_ERROR", func(t *talk) { t.reset(http2.ErrCodeProtocol) }),
		says("reset-internal", "http_error", "resets the stream with INTERNAL_ERROR", func(t *talk) { t.reset(http2.ErrCodeInternal) }),
		says("reset-refused", "http_error", "resets every stream with REFUSED_STREAM", func(t *talk) { t.reset(http2.ErrCodeRefusedStream) }),
		says("reset-cancel", "http_error", "resets the stream with CANCEL", func(t *talk) { t.reset(http2.ErrCodeCancel) }),
		says("reset-body", "truncated", "resets the stream within the body", func(t *talk) {
			t.head("200")
			t.data(http2Body[:len(http2Body)/2], false)
			t.reset(http2.ErrCodeInternal)
		}),
		says("close-body", "truncated", "closes the connection within the body", func(t *talk) { t.head("200"); t.data(http2Body[:len(http2Body)/2], false) }),
		says("silent", "timeout", "never answers", (*talk).wait),
		stays("silent-body", "slow timeout", "headers, and then nothing", func(t *talk) { t.head("200") }),
		stays("end-never", "ok slow timeout truncated", "a whole body whose end is never said", func(t *talk) { t.head("200"); t.data(http2Body, false) }),
		says("length-wrong", "truncated http_error ok", "a Content-Length that is too long", func(t *talk) {
			t.head("200", "content-length", "100000")
			t.data(http2Body, true)
		}),
		says("drip", "timeout slow", "a frame that comes a byte a second", func(t *talk) {
			for _, b := range append([]byte{0, 0, 100, 1, 4, 0, 0, 0, 1}, headers(":status", "200")...) {
				if _, err := t.conn.Write([]byte{b}); err != nil || !t.rest(time.Second) {
					return
				}
			}
			t.wait()
		}),
	}
}

// http2Settings are settings and windows that the protocol has not.
func http2Settings() []Case {
	return []Case{
		stays("no-streams", "timeout http_error", "SETTINGS that allow no stream", func(t *talk) { t.set(http2.SettingMaxConcurrentStreams, 0) }),
		stays("window-overflow", "http_error connect", "WINDOW_UPDATE past what a window may be", func(t *talk) {
			t.fr.WriteWindowUpdate(t.stream, 1<<31-1)
			t.fr.WriteWindowUpdate(0, 1<<31-1)
			t.fr.WriteWindowUpdate(0, 1<<31-1)
		}),
		stays("window-zero", "http_error connect", "WINDOW_UPDATE of nothing", func(t *talk) { t.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, t.stream, make([]byte, 4)) }),
		stays("window-initial", "http_error connect", "SETTINGS with a window past what one may be", func(t *talk) { t.set(http2.SettingInitialWindowSize, 1<<31) }),
		stays("frame-size", "http_error connect", "SETTINGS with a frame size that none may have", func(t *talk) { t.set(http2.SettingMaxFrameSize, 1) }),
	}
}

// http2Frames are frames that nobody may send where these are sent.
func http2Frames() []Case {
	return []Case{
		stays("not-http2", "http_error connect", "speaks HTTP/1.1 where HTTP/2 was agreed on", func(t *talk) {
			io.WriteString(t.conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}),
		stays("data-first", "http_error connect", "DATA before the headers", func(t *talk) { t.data(http2Body, false) }),
		says("data-over-window", "http_error truncated connect ok", "more DATA than the client has room for", func(t *talk) {
			t.head("200")
			for range 4 << 10 {
				if t.fr.WriteData(t.stream, false, bytes.Repeat([]byte(" "), 16<<10)) != nil {
					return
				}
			}
		}),
		says("frame-huge", "http_error connect", "a frame of 16 MiB", func(t *talk) {
			t.conn.Write([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1})
			t.until(func(t *talk) error { _, err := t.conn.Write(make([]byte, 16<<10)); return err })
		}),
		stays("push", "http_error connect", "PUSH_PROMISE to a client that takes none", func(t *talk) {
			t.fr.WritePushPromise(http2.PushPromiseParam{StreamID: t.stream, PromiseID: 2, BlockFragment: headers(":path", "/"), EndHeaders: true})
		}),
		stays("continuation-alone", "http_error connect", "CONTINUATION of nothing", func(t *talk) { t.fr.WriteContinuation(t.stream, true, headers(":status", "200")) }),
		stays("stream-other", "http_error connect", "an answer on a stream that nobody opened", func(t *talk) { t.stream += 100; t.sound() }),
	}
}

// http2Headers are header blocks that are too large or broken.
func http2Headers() []Case {
	return []Case{
		stays("headers-large", "header_too_large http_error", "a megabyte of headers", func(t *talk) { t.head("200", "x-large", strings.Repeat("x", 1<<20)) }),
		stays("headers-bomb", "header_too_large http_error", "headers that expand a thousandfold", func(t *talk) {
			block := headers(":status", "200", "x-bomb", strings.Repeat("x", 4000))
			t.block(append(block, bytes.Repeat([]byte{0x80 | 62}, 12<<10)...), false)
		}),
		stays("headers-broken", "http_error connect", "a header block that is none", func(t *talk) { t.block([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false) }),
		stays("status-none", "http_error connect", "headers without a status", func(t *talk) { t.fields(false, "content-type", "application/rss+xml") }),
		stays("status-word", "http_error connect", "a status that is no number", func(t *talk) { t.head("fine") }),
		stays("switching", "timeout http_error connect", "101 Switching Protocols, which HTTP/2 has not, and nothing after it", func(t *talk) { t.head("101") }),
		stays("name-upper", "http_error connect", "a header name in capitals", func(t *talk) { t.head("200", "Content-Type", "text/xml") }),
		stays("crumbs", "header_too_large http_error", "a hundred thousand small headers", func(t *talk) {
			t.head("200", slices.Repeat([]string{"set-cookie", "a=b"}, 100_000)...)
		}),
		stays("resize", "http_error connect header_too_large", "a header block that resizes the table without end", func(t *talk) {
			t.block(append(bytes.Repeat([]byte{0x3f, 0xe1, 0x1f, 0x20}, 100_000), headers(":status", "200")...), false)
		}),
		stays("index-none", "http_error connect", "a header block that names an entry which no table has", func(t *talk) { t.block([]byte{0xff, 0x80, 0x7f}, false) }),
		stays("padding-over", "http_error connect", "headers with more padding than there is frame", func(t *talk) {
			t.fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders, t.stream, append([]byte{0xff}, headers(":status", "200")...))
		}),
		stays("trailers-large", "ok http_error truncated header_too_large", "a megabyte of trailers", func(t *talk) {
			t.head("200")
			t.data(http2Body, false)
			t.fields(true, "x-large", strings.Repeat("x", 1<<20))
		}),
	}
}

// http2Floods are frames without end where an answer, or the rest of one, should be.
func http2Floods() []Case {
	return []Case{
		floods("ping", "PING frames without end", func(t *talk) error { return t.fr.WritePing(false, [8]byte{1}) }),
		floods("pong", "answers to PING that nobody sent, without end", func(t *talk) error { return t.fr.WritePing(true, [8]byte{1}) }),
		floods("settings", "SETTINGS without end", func(t *talk) error {
			return t.set(http2.SettingInitialWindowSize, 1<<16)
		}),
		floods("priority", "PRIORITY frames without end", func(t *talk) error { return t.fr.WritePriority(t.stream, http2.PriorityParam{StreamDep: 9}) }),
		floods("unknown", "frames of an unknown type without end", func(t *talk) error { return t.fr.WriteRawFrame(0xee, 0, 0, make([]byte, 100)) }),
		floods("unknown-large", "frames of an unknown type and 16 KiB without end", func(t *talk) error { return t.fr.WriteRawFrame(0xee, 0, 0, make([]byte, 16<<10)) }),
		floods("window", "WINDOW_UPDATE of 1 without end", func(t *talk) error { return t.fr.WriteWindowUpdate(0, 1) }),
		floods("reset-other", "RST_STREAM for streams that nobody opened, without end", func(t *talk) error { return t.fr.WriteRSTStream(t.stream+2, http2.ErrCodeCancel) }),
		floods("hints", "interim answers (103) without end", func(t *talk) error { return t.head("103") }),
		floods("continuation", "a header block without end", continued(headers("x-more", strings.Repeat("x", 100)))),
		floods("continuation-empty", "a header block of empty frames without end", continued(nil)),
		floods("goaway", "GOAWAY that spares the request, without end", func(t *talk) error { return t.fr.WriteGoAway(t.stream, http2.ErrCodeNo, make([]byte, 1000)) }),
		floods("settings-large", "SETTINGS of 16 KiB without end", func(t *talk) error {
			return t.fr.WriteRawFrame(http2.FrameSettings, 0, 0, bytes.Repeat([]byte{0, 3, 0, 0, 0, 100}, 2730))
		}),
		floods("settings-ack", "acknowledgements of SETTINGS that nobody sent, without end", func(t *talk) error { return t.fr.WriteSettingsAck() }),
		floodsBody("empty-data", "empty DATA frames without end", func(t *talk) error { return t.fr.WriteData(t.stream, false, nil) }),
		floodsBody("padded-data", "DATA frames of padding without end", func(t *talk) error { return t.fr.WriteDataPadded(t.stream, false, nil, make([]byte, 255)) }),
		floodsBody("tiny-data", "a body of frames of one byte without end", func(t *talk) error { return t.fr.WriteData(t.stream, false, []byte(" ")) }),
		floodsReplies("ping", "a body of small frames with a PING between two of them, without end", func(t *talk) error { return t.fr.WritePing(false, [8]byte{4}) }),
		floodsReplies("settings", "the same with SETTINGS", func(t *talk) error { return t.set(http2.SettingHeaderTableSize, 4096) }),
		floodsReplies("padding", "the same, each with padding, which a client gives back", func(t *talk) error {
			return t.fr.WriteDataPadded(t.stream, false, []byte(strings.Repeat(" ", 17)), make([]byte, 255))
		}),
		floodsBody("ping-body", "PING frames without end within the body", func(t *talk) error { return t.fr.WritePing(false, [8]byte{2}) }),
		floodsBody("trailers", "trailers without end", func(t *talk) error { return t.fields(false, "x-more", "1") }),
	}
}
