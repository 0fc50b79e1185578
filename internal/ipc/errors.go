package ipc

import (
	"errors"
	"fmt"
	"strconv"
)

// The ways to break the protocol. Each one reaches the caller inside a
// [ProtocolError]; match with errors.Is.
var (
	// ErrNotFrame: the bytes are no frame, such as a stray print on stdout.
	ErrNotFrame = errors.New("not a frame")
	// ErrFrameTooLarge: the frame says to be longer than what is accepted.
	ErrFrameTooLarge = errors.New("frame too large")
	// errChecksum: the frame was damaged, or two writers shared the stream.
	errChecksum = errors.New("bad checksum")
	// errSequence: an intact frame that is not the next one.
	errSequence = errors.New("wrong sequence")
	// errUnknownKind: an intact frame of a kind that this version lacks.
	errUnknownKind = errors.New("unknown kind")
	// errMalformed: an intact frame whose payload is not the one spelling of
	// a message of its kind.
	errMalformed = errors.New("malformed payload")
	// errUnexpected: a well-formed message that may not come here. Conn never
	// returns it, those who hold the conversation do.
	errUnexpected = errors.New("unexpected message")
)

// ErrMessageTooLarge says that the message, or a single item of it, cannot go
// into a frame that the peer accepts. Nothing was written, and the Conn can go
// on.
var ErrMessageTooLarge = errors.New("message too large")

// A ProtocolError says that the peer broke the protocol. It is never about a
// peer that merely went away: that is io.EOF, or wraps io.ErrUnexpectedEOF.
type ProtocolError struct {
	Kind   error  // one of the errors above, such as errChecksum
	Detail string // what was wrong, lower case, no full stop; may be empty
	// Text is the beginning of what stood where a frame should, for
	// ErrNotFrame: at most 200 bytes, quoted so that it can be printed.
	Text string
}

// Error returns the kind, the detail and the text.
func (e *ProtocolError) Error() string {
	s := "protocol: " + e.Kind.Error()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Unwrap returns the kind.
func (e *ProtocolError) Unwrap() error { return e.Kind }

// NotFrame returns the error for text that stands where something else should,
// as detail says. At most 200 bytes of it are shown.
func NotFrame(detail, text string) *ProtocolError {
	return &ProtocolError{Kind: ErrNotFrame, Detail: detail, Text: strconv.Quote(text[:min(len(text), 200)])}
}

// Unexpected returns the error for a well-formed message that may not come.
func Unexpected(format string, args ...any) *ProtocolError {
	return &ProtocolError{Kind: errUnexpected, Detail: fmt.Sprintf(format, args...)}
}

// A VersionError says that the peer speaks another version of the protocol.
// It is permanent: restarting the peer does not help.
type VersionError struct {
	Got, Want uint32
	Build     string // what the peer was built from, as it says; may be empty
}

// Error names both versions and the peer's build.
func (e *VersionError) Error() string {
	if e.Build == "" {
		return fmt.Sprintf("peer speaks protocol version %d, this program speaks %d", e.Got, e.Want)
	}
	return fmt.Sprintf("peer (build %.100q) speaks protocol version %d, this program speaks %d", e.Build, e.Got, e.Want)
}

// CheckHello returns m as the Hello that lets the conversation begin, a
// [VersionError] when the peer speaks another version, and a [ProtocolError]
// when the first message was something else.
func CheckHello(m Message) (*Hello, error) {
	h, ok := m.(*Hello)
	if !ok {
		return nil, Unexpected("want Hello first")
	}
	if h.Version != Version {
		return nil, &VersionError{Got: h.Version, Want: Version, Build: h.Build}
	}
	return h, nil
}
