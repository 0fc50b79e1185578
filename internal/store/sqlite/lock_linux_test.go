package sqlite

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"feedmill/internal/store"
)

// TestALockEndsWithItsProcess: a process that is being started has copies of its
// parent's files, so a child can outlive a run that is gone, and have its lock.
// Whoever comes next is not refused because of that.
func TestALockEndsWithItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feeds.db")
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(f, ended.Process.Pid)
	if err := tryLock(f); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("cat")
	child.ExtraFiles = []*os.File{f}
	stdin, err := child.StdinPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f, err = os.Open(path + ".lock"); err != nil || tryLock(f) != errHeld {
		t.Fatalf("the child does not hold the lock: %v", err)
	}
	f.Close()
	released := make(chan error)
	go func() {
		stdin.Close()
		released <- child.Wait()
	}()
	db, err := Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatalf("beside a child of a run that is gone: %v", err)
	}
	if err := <-released; err != nil {
		t.Error(err)
	}

	// A run that ends while a child starts gives the lock up itself.
	for _, f := range []*os.File{db.lock.f, db.lock.store} {
		fd, err := unix.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(t.Context(), path, store.Options{}); err != nil {
		t.Fatalf("after a run that ended while a child started: %v", err)
	}
	db.Close()
}
