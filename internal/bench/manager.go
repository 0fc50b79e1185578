package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"feedmill/internal/ipc"
)

// startManager starts the server process that the mode manager needs, as a
// child of this process, so that what it uses is counted. It returns nil for
// other modes. stop ends it and waits for it.
//
// Rejected: leaving it to package pool. That starts the real worker program as
// a manager, which an experiment need not have.
func startManager(mode string, self []string) (a *ipc.Address, stop func(), err error) {
	if !strings.HasPrefix(mode, string(ipc.ModeManager)) {
		return nil, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "feedmill-bench-")
	if err != nil {
		return nil, nil, fmt.Errorf("start manager: %w", err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
			err = fmt.Errorf("start manager: %w", err)
		}
	}()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, "socket")})
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	socket, err := l.File()
	if err != nil {
		return nil, nil, err
	}
	defer socket.Close()
	key := make([]byte, ipc.KeySize)
	rand.Read(key)
	c := exec.Command(self[0], append(self[1:len(self):len(self)], "manager")...)
	c.Stderr, c.ExtraFiles = os.Stderr, []*os.File{socket}
	c.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=100") // as a worker has it
	stdin, err := c.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := c.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		stdin.Close()
		c.Wait()
		os.RemoveAll(dir)
	}
	if _, err := stdin.Write(key); err != nil {
		stop()
		return nil, nil, err
	}
	return &ipc.Address{Network: "unix", Addr: l.Addr().String(), Key: key}, stop, nil
}

// serveManager is that process. The key is the first that stdin says, and its
// end the last.
func serveManager(ctx context.Context, stdin io.Reader) error {
	m := &ipc.Manager{Key: make([]byte, ipc.KeySize)}
	if _, err := io.ReadFull(stdin, m.Key); err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	socket := os.NewFile(3, "manager")
	l, err := net.FileListener(socket)
	socket.Close()
	if err != nil {
		return fmt.Errorf("inherit socket: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		io.Copy(io.Discard, stdin)
		stop()
	}()
	return m.Serve(ctx, l)
}
