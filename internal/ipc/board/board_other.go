//go:build !linux

package board

import (
	"errors"
	"os"
)

// A descriptor is nothing here: there are no memfds, and nobody knows what a
// worker did in its last moment.
type descriptor struct{}

// New fails with errors.ErrUnsupported.
func New() (*Board, error) { return nil, errors.ErrUnsupported }

// Open fails with errors.ErrUnsupported.
func Open(int) (*Board, error) { return nil, errors.ErrUnsupported }

// File returns nil.
func (b *Board) File() *os.File { return nil }

// CloseFile does nothing.
func (b *Board) CloseFile() {}

// Close does nothing.
func (b *Board) Close() error { return nil }

// A Capture holds nothing here.
type Capture struct{}

// NewCapture fails with errors.ErrUnsupported.
func NewCapture() (*Capture, error) { return nil, errors.ErrUnsupported }

// OpenCapture fails with errors.ErrUnsupported.
func OpenCapture(int) (*Capture, error) { return nil, errors.ErrUnsupported }

// File returns nil.
func (c *Capture) File() *os.File { return nil }

// Close does nothing.
func (c *Capture) Close() error { return nil }

// Want does nothing.
func (c *Capture) Want(int64) error { return nil }

// Put does nothing.
func (c *Capture) Put(int64, []byte) error { return nil }

// Document returns nil.
func (c *Capture) Document(int64) ([]byte, error) { return nil, nil }
