package pool_test

import (
	"golang.org/x/sys/unix"

	"feedmill/internal/ipc"
)

func init() {
	rawWrites[ipc.ModeQueue] = func(b []byte) { unix.Send(ipc.CarrierFD, b, unix.MSG_NOSIGNAL) }
}
