//go:build !linux

package ipc

import (
	"errors"
	"os"
)

// A descriptor is nothing here: there are no memfds, and what a worker does is
// known from its Ticks alone.
type descriptor struct{}

// NewScoreboard fails with errors.ErrUnsupported.
func NewScoreboard(uint32) (*Scoreboard, error) { return nil, errors.ErrUnsupported }

// OpenScoreboard fails with errors.ErrUnsupported.
func OpenScoreboard(int) (*Scoreboard, error) { return nil, errors.ErrUnsupported }

// File returns nil.
func (b *Scoreboard) File() *os.File { return nil }

// CloseFile does nothing.
func (b *Scoreboard) CloseFile() {}

// Close does nothing.
func (b *Scoreboard) Close() error { return nil }

// NewSpecimen fails with errors.ErrUnsupported.
func NewSpecimen() (*Specimen, error) { return nil, errors.ErrUnsupported }

// OpenSpecimen fails with errors.ErrUnsupported.
func OpenSpecimen(int) (*Specimen, error) { return nil, errors.ErrUnsupported }

// File returns nil.
func (s *Specimen) File() *os.File { return nil }

// Close does nothing.
func (s *Specimen) Close() error { return nil }

// Want does nothing.
func (s *Specimen) Want(int64) error { return nil }

// Put does nothing.
func (s *Specimen) Put(int64, []byte) error { return nil }

// Document returns nil.
func (s *Specimen) Document(int64) ([]byte, error) { return nil, nil }
