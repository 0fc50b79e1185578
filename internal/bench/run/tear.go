//go:build linux

package run

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

const (
	tearFrames = 500 // of each writer
	tearers    = 2
)

// tears has several processes write to one pipe, in Go and in Python.
func (e *executor) tears(ctx context.Context) error {
	e.run.Tears = nil
	for _, t := range []Tear{{Size: wholeSize}, {Size: TornSize}, {Size: TornSize, Locked: true}} {
		e.progress(fmt.Sprintf("two writers and one pipe, %d bytes", t.Size))
		e.step(2 * tearExpected)
		t.Language, t.Writers = "go", tearers
		if err := t.measure(ctx, e.o, e.dir); err != nil {
			return err
		}
		e.run.Tears = append(e.run.Tears, t)
		if len(e.o.Pythons) == 0 {
			continue
		}
		t = Tear{Language: "python", Writers: tearers, Size: t.Size, Locked: t.Locked}
		spec := map[string]any{"mode": "tear", "size": t.Size, "frames": tearFrames, "writers": tearers, "lock": t.Locked}
		if err := e.python(ctx, e.o.Pythons[0], spec, &t); err != nil {
			return err
		}
		e.run.Tears = append(e.run.Tears, t)
	}
	return nil
}

// measure has Go processes write and counts what comes torn.
func (t *Tear) measure(ctx context.Context, o *Options, dir string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("open pipe: %w", err)
	}
	defer r.Close()
	lock := ""
	if t.Locked {
		f, err := os.CreateTemp(dir, "lock-*")
		if err != nil {
			w.Close()
			return fmt.Errorf("make lock: %w", err)
		}
		f.Close()
		lock = f.Name()
	}
	before := endedUsage().cpu
	var writers []*exec.Cmd
	for n := range tearers {
		c := o.command(ctx, "tear", strconv.Itoa(n), strconv.Itoa(t.Size), lock)
		c.Stdout = w
		if err = c.Start(); err != nil {
			break
		}
		writers = append(writers, c)
	}
	w.Close()
	t.count(r)
	for _, c := range writers {
		if werr := c.Wait(); err == nil {
			err = werr
		}
	}
	if err != nil {
		return fmt.Errorf("write to one pipe: %w", err)
	}
	t.CPU = float64(endedUsage().cpu-before) / float64(t.Frames)
	return nil
}

// count reads frames, each of which is one writer's letter all along.
func (t *Tear) count(r io.Reader) {
	in := bufio.NewReaderSize(r, 1<<20)
	for frame := make([]byte, t.Size); ; t.Frames++ {
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		if bytes.Count(frame, frame[:1]) != len(frame) {
			t.Torn++
		}
	}
}

// tear is a process that writes frames to stdout, with a lock around each if
// there is one.
func tear(args []string, stdout *os.File) error {
	if len(args) != 3 {
		return fmt.Errorf("tear: %d arguments, want 3", len(args))
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	frame := bytes.Repeat([]byte(args[0]), size)
	lock, unlock := func() error { return nil }, func() error { return nil }
	if args[2] != "" {
		f, err := os.OpenFile(args[2], os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		lock, unlock = fileLock(f)
	}
	for range tearFrames {
		if err := lock(); err != nil {
			return err
		}
		if _, err := stdout.Write(frame); err != nil {
			return err
		}
		if err := unlock(); err != nil {
			return err
		}
	}
	return nil
}
