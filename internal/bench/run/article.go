//go:build linux

package run

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// article is the article's program, in its own language.
//
//go:embed article.py
var article []byte

// inPython takes a sample of the article's program. CPython does its own
// measuring, of the same things.
func (e *executor) inPython(ctx context.Context, c *Cell, names []string) (s Sample, err error) {
	spec := map[string]any{
		"mode": strings.TrimPrefix(c.Mode, "python-"), "workers": c.Workers, "feeds": c.Feeds, "items": c.Items, "bytes": c.Bytes,
	}
	if c.Work == Parse {
		var paths []string
		for _, n := range names {
			paths = append(paths, filepath.Join(e.dir, n))
		}
		spec["documents"] = paths
	}
	err = e.python(ctx, e.o.Pythons[c.Python-1], spec, &s)
	if want := int64(c.Feeds) * int64(c.Items) * int64(c.Bytes); err == nil && c.Work == Ship && s.CopiedBytes != want {
		err = fmt.Errorf("its lists have %d bytes of text, want %d", s.CopiedBytes, want)
	}
	return s, err
}

// python runs the article's program and decodes what it prints.
func (e *executor) python(ctx context.Context, p Python, spec map[string]any, into any) error {
	arg, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Path, "-B", "-c", string(article), string(arg))
	// Its workers go with it, should it have to be killed.
	ownGroup(cmd)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("run the article's program: %w: %s", err, lastLine(errs.String()))
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("read what the article's program says: %w", err)
	}
	return nil
}

// lastLine returns the last line of s that is not blank.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

const (
	tearFrames = 500 // of each writer
	tearers    = 2
)

// tears has several processes write to one pipe, in Go and in Python.
func (e *executor) tears(ctx context.Context) error {
	for _, t := range []Tear{{Size: wholeSize}, {Size: TornSize}, {Size: TornSize, Locked: true}} {
		e.progress("two writers and one pipe, %d bytes", t.Size)
		t.Language, t.Writers = "go", tearers
		if err := t.measure(ctx, e.o, filepath.Join(e.dir, "lock")); err != nil {
			return fmt.Errorf("write to one pipe: %w", err)
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
func (t *Tear) measure(ctx context.Context, o *Options, lock string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	before := endedUsage().cpu
	var writers []*exec.Cmd
	for n := range tearers {
		c := o.command(ctx, "tear", strconv.Itoa(n), strconv.Itoa(t.Size), strconv.FormatBool(t.Locked), lock)
		c.Stdout = w
		if err = c.Start(); err != nil {
			break
		}
		writers = append(writers, c)
	}
	w.Close()
	t.count(r)
	for _, c := range writers {
		err = errors.Join(err, c.Wait())
	}
	t.CPU = float64(endedUsage().cpu-before) / float64(max(t.Frames, 1))
	return err
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

// tear is a process that writes frames to stdout: args say of which letter, how
// long, whether with a lock around each, and in which file that is.
func tear(args []string, stdout *os.File) error {
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	lock, err := os.OpenFile(args[3], os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	flock := func(operation int) error {
		if args[2] != "true" {
			return nil
		}
		return unix.Flock(int(lock.Fd()), operation)
	}
	frame := bytes.Repeat([]byte(args[0]), size)
	for range tearFrames {
		err := flock(unix.LOCK_EX) // which the system takes back from a process that dies
		if err == nil {
			_, err = stdout.Write(frame)
		}
		if err = errors.Join(err, flock(unix.LOCK_UN)); err != nil {
			return err
		}
	}
	return nil
}
