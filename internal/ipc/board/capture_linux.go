package board

import (
	"fmt"
	"os"
	"unsafe"

	"feedmill/internal/feeds"
	"feedmill/internal/ipc/memfd"
)

// A Capture holds a copy of the one document that is wanted, in a memfd that a
// worker gets as file descriptor 4: the body of a feed that is suspected of
// killing its workers, kept by the next one before it reads it. It costs nothing
// for all other documents, and only the workers that try suspects get one.
//
// All methods may be called on a nil Capture, which holds nothing.
type Capture struct{ file *os.File }

// A captureHead is how a capture begins: the job that the coordinator wants, and
// the document that the worker put after the head.
type captureHead struct {
	magic  int64
	wanted int64
	job    int64
	size   int64
}

const (
	captureMagic = recordMagic<<8 | 'c'
	headSize     = int64(unsafe.Sizeof(captureHead{}))

	// maxCapture is how much of a document is kept, in bytes.
	maxCapture = feeds.DefaultMaxBody
)

// captureStart is how every capture begins.
func captureStart() []byte {
	magic := int64(captureMagic)
	return memfd.Bytes(&magic)
}

// NewCapture makes an empty capture. The caller closes it. It takes memory only
// for what is put into it.
func NewCapture() (*Capture, error) {
	f, err := memfd.New("feedmill-capture", headSize+maxCapture, captureStart())
	if err != nil {
		return nil, fmt.Errorf("make capture: %w", err)
	}
	return &Capture{f}, nil
}

// OpenCapture returns the capture that file descriptor fd is, if it is one, and
// then owns fd. Any other fd, or none, is left as it is and is an error.
func OpenCapture(fd int) (*Capture, error) {
	if err := memfd.Check(fd, headSize+maxCapture, captureStart()); err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	return &Capture{memfd.Inherit(fd, "capture")}, nil
}

// File returns the file to hand to the process, or nil. It belongs to c.
func (c *Capture) File() *os.File {
	if c == nil {
		return nil
	}
	return c.file
}

// Close gives back the memory, when the other side has too.
func (c *Capture) Close() error {
	if c == nil {
		return nil
	}
	return c.file.Close()
}

// Want says whose document is to be kept; 0 says nobody's.
func (c *Capture) Want(job int64) error {
	if c == nil {
		return nil
	}
	_, err := c.file.WriteAt(memfd.Bytes(&captureHead{magic: captureMagic, wanted: job}), 0)
	return err
}

// Put keeps the document of a job if it is wanted, or the first 50 MiB of it.
func (c *Capture) Put(job int64, body []byte) error {
	if c == nil {
		return nil
	}
	head, err := c.head()
	if err != nil || head.wanted != job {
		return err
	}
	body = body[:min(len(body), maxCapture)]
	if _, err := c.file.WriteAt(body, headSize); err != nil {
		return err
	}
	head.job, head.size = job, int64(len(body))
	_, err = c.file.WriteAt(memfd.Bytes(&head), 0)
	return err
}

// Document returns the document of a job, or nil when it was not put there.
func (c *Capture) Document(job int64) ([]byte, error) {
	if c == nil {
		return nil, nil
	}
	head, err := c.head()
	if err != nil {
		return nil, err
	}
	if head.job != job || head.size < 0 || head.size > maxCapture {
		return nil, nil
	}
	body := make([]byte, head.size)
	if _, err := c.file.ReadAt(body, headSize); err != nil {
		return nil, fmt.Errorf("read capture: %w", err)
	}
	return body, nil
}

func (c *Capture) head() (head captureHead, err error) {
	if _, err := c.file.ReadAt(memfd.Bytes(&head), 0); err != nil {
		return head, fmt.Errorf("read capture: %w", err)
	}
	return head, nil
}
