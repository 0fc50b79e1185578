package ipc

// The exit statuses of a worker, but for 0. With what a document can make the Go
// runtime do, none has the same: that ends with 2.
const (
	// ExitRefused says that it will never run as it was asked to: a flag or the
	// protocol version does not fit, or the sandbox that it must have is not to be
	// had. It is not started again.
	ExitRefused = 64
	// ExitInternal says that it failed, or that the coordinator broke the protocol.
	// It is started again, as after those below.
	ExitInternal = 70
	// ExitCPU says that one document took more CPU time than it may, or that a
	// request does not end; the stacks are on stderr.
	ExitCPU = 71
	// ExitCarrier says that what it shares with others to bring its lists back is
	// gone. Nobody is blamed.
	ExitCarrier = 72
	// ExitUnanswered says that none of its heartbeats was answered for as long as its
	// leash is. Nobody is blamed.
	ExitUnanswered = 73
)
