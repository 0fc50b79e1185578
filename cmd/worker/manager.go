package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"feedmill/internal/ipc/carrier"
	"feedmill/internal/ipc/manager"
)

// leastKey is how long a key must be that a user makes, in bytes.
const leastKey = 16

// managerFlags say how to be a manager.
type managerFlags struct {
	on     bool
	listen string // host:port, for coordinators elsewhere; empty for the one that started us
	key    string // file with the key; only with listen
}

// serve holds a dictionary until stdin ends or, where it was started by hand, it
// is interrupted.
func (f managerFlags) serve(stdin io.Reader, stderr io.Writer) error {
	m := &manager.Server{Log: slog.New(slog.NewTextHandler(stderr, nil))}
	if f.listen == "" {
		err := m.ServeHeir(os.NewFile(carrier.FD, "manager"), stdin)
		if errors.Is(err, manager.ErrNoKey) {
			err = refusal("the coordinator starts managers; by hand it takes --listen and --key-file")
		}
		return err
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return refusal("read key: " + err.Error())
	}
	if m.Key = bytes.TrimSpace(key); len(m.Key) < leastKey {
		return refusal(fmt.Sprintf("%s has %d bytes: a key has %d or more", f.key, len(m.Key), leastKey))
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return refusal(err.Error())
	}
	fmt.Fprintf(stderr, "worker: manager listens on %s\n", l.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return m.Serve(ctx, l)
}
