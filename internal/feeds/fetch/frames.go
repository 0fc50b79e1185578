package fetch

import (
	"encoding/binary"
	"fmt"

	"feedmill/internal/feeds"
)

// Bounds on what a server may send over HTTP/2 beside its answer. A connection
// serves one request at a time, and one that asks for nothing needs a handful
// of frames from a server; some send a PING for each few DATA frames, to measure
// the way. What passes a bound ends the connection.
const (
	maxIdleFrames = 256       // frames that bring the answer no further, or ask for one of ours
	maxIdleBytes  = 256 << 10 // of their payloads
	idlePiece     = 8 << 10   // bytes of DATA, for each of which one more such frame may come
)

// The frame types and flags that a frameMeter knows (RFC 9113, section 6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameRstStream    = 0x3
	frameSettings     = 0x4
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9

	flagPadded = 0x8

	settingInitialWindow = 0x4
	maxWindow            = 1<<31 - 1
	firstWindow          = 1<<16 - 1
	maxWindows           = 16 // streams whose windows a connection that serves one at a time may widen
)

// A frameMeter follows the frames that are read from an HTTP/2 connection. It
// knows no more of them than their heads and their error codes: HTTP/2 itself is
// net/http's, which bounds a frame and a header list, but no number of frames
// (golang.org/issue/65051 is about one kind of many).
type frameMeter struct {
	head [9]byte
	have int // bytes of head, and of what is looked at behind it
	left int // bytes of the payload that have not come

	kind, flags byte
	size        int
	first       [384]byte // of the payload, as far as it is looked at

	reads, bytes    int64 // of all there is, such as records of TLS
	idle, idleBytes int64
	data, dataBytes int64 // small DATA frames are how some servers write
	headerBytes     int64 // of the header blocks since the last DATA frame
	answered        bool  // response headers began

	initial int64            // the window of a stream that the server allows at first, above firstWindow
	windows map[uint32]int64 // by how much it was widened since

	reset, goAway *uint32 // the error codes that the server gave
}

// look takes the bytes that were read, and returns why that is enough. bound is
// that of the headers, in bytes as sent.
func (m *frameMeter) look(p []byte, bound int64) *feeds.Failure {
	if m.reads, m.bytes = m.reads+1, m.bytes+int64(len(p)); areCrumbs(m.reads, m.bytes) {
		return flood("%d bytes in %d pieces", m.bytes, m.reads)
	}
	for len(p) > 0 {
		if m.have < len(m.head) {
			n := copy(m.head[m.have:], p)
			m.have, p = m.have+n, p[n:]
			if m.have < len(m.head) {
				return nil
			}
			m.size = int(m.head[0])<<16 | int(m.head[1])<<8 | int(m.head[2])
			m.left, m.kind, m.flags = m.size, m.head[3], m.head[4]
		}
		if at := m.size - m.left; at < len(m.first) && m.left > 0 {
			copy(m.first[at:], p[:min(len(p), m.left)])
		}
		n := min(len(p), m.left)
		m.left, p = m.left-n, p[n:]
		if m.left > 0 {
			return nil
		}
		m.have = 0
		if f := m.count(bound); f != nil {
			return f
		}
	}
	return nil
}

// count counts a complete frame against the bounds of its kind.
func (m *frameMeter) count(bound int64) *feeds.Failure {
	switch m.kind {
	case frameData:
		brings, padded := m.size, m.flags&flagPadded != 0 && m.size > 0
		if padded {
			brings = max(m.size-1-int(m.first[0]), 0)
		}
		m.headerBytes = 0
		if brings > 0 {
			m.data, m.dataBytes = m.data+1, m.dataBytes+int64(brings)
			if areCrumbs(m.data, m.dataBytes) {
				return flood("%d DATA frames for %d bytes", m.data, m.dataBytes)
			}
			if !padded { // net/http gives the room of padding back at once, in a frame of its own
				return nil
			}
			m.idleBytes -= int64(brings)
		}
	case frameHeaders, frameContinuation:
		m.answered = true
		if m.headerBytes += int64(m.size); m.headerBytes > bound {
			return &feeds.Failure{Class: feeds.HeaderTooLarge, Detail: fmt.Sprintf("response headers over %d bytes", bound)}
		}
	case frameSettings:
		if m.size > len(m.first) {
			return flood("SETTINGS of %d bytes", m.size)
		}
		for s := m.first[:m.size]; len(s) >= 6; s = s[6:] {
			if binary.BigEndian.Uint16(s) == settingInitialWindow {
				m.initial = max(m.initial, int64(binary.BigEndian.Uint32(s[2:]))-firstWindow)
			}
		}
	case frameWindowUpdate:
		if f := m.widen(binary.BigEndian.Uint32(m.head[5:])&maxWindow, int64(binary.BigEndian.Uint32(m.first[:4])&maxWindow)); f != nil {
			return f
		}
	case frameRstStream:
		m.reset = new(binary.BigEndian.Uint32(m.first[:4]))
	case frameGoAway:
		m.goAway = new(binary.BigEndian.Uint32(m.first[4:]))
	}
	m.idle, m.idleBytes = m.idle+1, m.idleBytes+int64(m.size)
	if m.idle > maxIdleFrames+m.dataBytes/idlePiece {
		return flood("%d frames that bring nothing", m.idle)
	}
	if m.idleBytes > maxIdleBytes+m.dataBytes {
		return flood("%d bytes of frames that bring nothing", m.idleBytes)
	}
	return nil
}

// widen adds to the window of a stream, or with 0 of the connection. It keeps from
// net/http what no window may become: it ends such a stream while it holds the lock
// that ending one takes, and then for ever.
func (m *frameMeter) widen(stream uint32, by int64) *feeds.Failure {
	if m.windows == nil {
		m.windows = make(map[uint32]int64, 2)
	}
	m.windows[stream] += by
	window := firstWindow + m.windows[stream]
	if stream != 0 {
		window += m.initial
	}
	if window > maxWindow {
		return flood("a window of %d bytes", window)
	}
	if len(m.windows) > maxWindows {
		return flood("windows of %d streams", len(m.windows))
	}
	return nil
}

// flood is the failure of a server that keeps us busy with frames.
func flood(format string, args ...any) *feeds.Failure {
	return &feeds.Failure{Class: feeds.HTTPError, Detail: "HTTP/2: " + fmt.Sprintf(format, args...)}
}

// The error codes that are treated in a way of their own.
const (
	codeNone          = 0x0
	codeRefusedStream = 0x7
	codeHTTP11        = 0xd // HTTP_1_1_REQUIRED
)

// codeNames are the names of the error codes (RFC 9113, section 7).
var codeNames = [...]string{"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
	"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY",
	"HTTP_1_1_REQUIRED"}

func codeName(code uint32) string {
	if int(code) < len(codeNames) {
		return codeNames[code]
	}
	return fmt.Sprintf("error %d", code)
}

// said returns what the server gave as its reason for no answer, and how to say
// so; ok is false when it gave none.
func (m *frameMeter) said() (code uint32, text string, ok bool) {
	switch {
	case m.reset != nil:
		return *m.reset, "HTTP/2: the server reset the request: " + codeName(*m.reset), true
	case m.goAway != nil:
		return *m.goAway, "HTTP/2: the server closed the connection: " + codeName(*m.goAway), true
	}
	return 0, "", false
}
