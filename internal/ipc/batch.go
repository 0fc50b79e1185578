package ipc

import (
	"errors"
	"fmt"

	"feedmill/internal/feeds"
)

// The messages of the mode queue.

// Batch offers jobs to the worker that takes it out of the job queue. They are
// not its own before a Grant says so. It is the only message there, and always
// a stream of its own: its sequence is 0.
type Batch struct {
	Number int64 // that no other batch of the run has; not 0
	Jobs   []feeds.Job
}

// Claim says that a worker has taken a batch, and waits to hear whether it may
// begin.
type Claim struct {
	Batch int64 // its number
}

// Grant answers a Claim, and says whether the worker may take another batch.
// Without one that says so it may take none.
type Grant struct {
	Batch int64 // that was claimed; 0 when none was
	Begin bool  // its jobs are this worker's; else it forgets them
	Take  bool  // it may take one batch more when it has room
}

const batchFields = 2

func appendBatch(b []byte, batch *Batch) []byte {
	b = appendArray(b, batchFields)
	b = appendInt(b, batch.Number)
	return appendJobs(b, batch.Jobs)
}

func decodeBatch(payload []byte) (*Message, error) {
	r := newSpeller(payload)
	r.fields(batchFields)
	b := &Batch{Number: r.int()}
	b.Jobs = r.jobs()
	return finish(r, &Message{Batch: b})
}

// decodeBatchFrame reads a frame that must be a Batch and nothing else. The
// batch shares its bytes.
func decodeBatchFrame(frame []byte) (*Batch, error) {
	if len(frame) < headerSize {
		return nil, fmt.Errorf("batch of %d bytes", len(frame))
	}
	h, ok := parseHeader(frame)
	if !ok || h.kind != kindBatch || int(h.size) != len(frame)-headerSize {
		return nil, errors.New("not a batch")
	}
	if got := checksum(headChecksum(frame), frame[headerSize:]); got != h.crc {
		return nil, fmt.Errorf("batch with checksum %08x, header says %08x", got, h.crc)
	}
	m, err := decodeBatch(frame[headerSize:])
	if err != nil {
		return nil, err
	}
	return m.Batch, nil
}
