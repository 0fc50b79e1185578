package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"feedmill/internal/origin"
)

// scriptCommands are the words that the sessions may use besides testscript's
// own.
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"status": scriptStatus,
		"origin": scriptOrigin,
		"epoch":  scriptEpoch,
	}
}

// scriptStatus is "status N PROGRAM ARG...": run it, and it must exit with N.
func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// origins are the running origins of all sessions, by work folder.
var origins sync.Map

// scriptOrigin is "origin FEEDS HOSTS ITEMS [DIR]": serve generated feeds, of
// which each gets one new item an epoch, and the files of DIR, until the
// session ends. It sets $ORIGIN to its address and $NEIGHBOUR to one on another
// host, and writes feeds.txt.
func scriptOrigin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: origin FEEDS HOSTS ITEMS [DIR]")
	}
	var n [3]int
	for i := range n {
		v, err := strconv.Atoi(args[i])
		ts.Check(err)
		n[i] = v
	}
	o := origin.Options{Feeds: n[0], Hosts: n[1], Items: n[2], NewsEvery: 1}
	if len(args) == 4 {
		o.Dir = ts.MkAbs(args[3])
	}
	server, err := origin.New(o)
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	ts.Defer(func() {
		cancel()
		if err := <-done; err != nil {
			ts.Logf("origin: %v", err)
		}
	})
	origins.Store(ts.MkAbs("."), server)
	_, port, err := net.SplitHostPort(server.Addr())
	ts.Check(err)
	ts.Setenv("ORIGIN", server.Addr())
	ts.Setenv("NEIGHBOUR", "127.0.0.2:"+port)
	list, err := os.Create(ts.MkAbs("feeds.txt"))
	ts.Check(err)
	for url := range server.URLs() {
		_, err := list.WriteString(url + "\n")
		ts.Check(err)
	}
	ts.Check(list.Close())
}

// scriptEpoch is "epoch N": move the session's origin on.
func scriptEpoch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: epoch N")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	server, ok := origins.Load(ts.MkAbs("."))
	if !ok {
		ts.Fatalf("no origin is running")
	}
	server.(*origin.Server).SetEpoch(n)
}
