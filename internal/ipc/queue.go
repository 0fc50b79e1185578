package ipc

import (
	"context"
	"errors"
)

// A JobQueue is a Carrier through which jobs can be offered to all workers. Its
// methods may be called by several goroutines.
type JobQueue interface {
	Carrier
	// Offer puts b where the next worker that has room will take it, and
	// returns how many bytes that took. It waits while the queue is full, until
	// ctx is done. An error that wraps ErrMessageTooLarge is about b alone; any
	// other one means that nobody will get anything from the queue any more.
	Offer(ctx context.Context, b *Batch) (int, error)
	// Withdraw takes back what no worker has taken, without waiting, and
	// returns the numbers of those batches.
	Withdraw() []int64
}

// MaxOffer is the longest batch that a JobQueue takes, in bytes of its payload.
// Systems that have less room for a message take less.
const MaxOffer = maxPacket - headerSize

// maxPacket is the longest message that goes through a queue, in bytes. Linux
// takes what net.core.wmem_max allows, 212,992 bytes or more, unless somebody
// has set it lower.
const maxPacket = 128 << 10

// A jobSource is a worker's end of a job queue.
type jobSource interface {
	// take returns the next batch, or io.EOF when there will be none.
	take() (*Batch, error)
	// stop makes take return io.EOF, now and for ever.
	stop()
}

// HasJobs reports whether there is a queue to Take from, beside what Recv
// returns.
func (c *Conn) HasJobs() bool { return c.jobs != nil }

// Take waits for a batch in the queue that all workers share and takes it out.
// It returns io.EOF when there will be none any more, or StopTaking was called;
// any error is final. It may run beside Send and Recv.
func (c *Conn) Take() (*Batch, error) {
	if c.jobs == nil {
		return nil, errors.New("take batch: there is no job queue")
	}
	return c.jobs.take()
}

// StopTaking makes Take return io.EOF, now and for ever. It may be called at
// any time, from any goroutine.
func (c *Conn) StopTaking() {
	if c.jobs != nil {
		c.jobs.stop()
	}
}
