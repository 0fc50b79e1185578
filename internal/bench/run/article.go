//go:build linux

package run

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// article is the article's program, in its own language.
//
//go:embed article.py
var article []byte

// inPython takes a sample of the article's program. CPython does its own
// measuring, of the same things.
func (e *executor) inPython(ctx context.Context, c *Cell) (s Sample, err error) {
	spec := map[string]any{
		"mode": strings.TrimPrefix(c.Mode, "python-"), "workers": c.Workers, "feeds": c.Feeds, "items": c.Items, "bytes": c.Bytes,
	}
	if c.Work == Parse {
		var paths []string
		for _, n := range e.names {
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
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

// tears has several threads write to one pipe and take from one queue, by system
// calls of their own: for the system that is what processes do. And it has the
// article's program do it.
func (e *executor) tears(ctx context.Context) error {
	e.progress("two writers and one pipe")
	for _, locked := range []bool{false, true} {
		t := Tear{Language: "go", Locked: locked}
		if err := t.measure(); err != nil {
			return fmt.Errorf("write to one pipe: %w", err)
		}
		e.run.Tears = append(e.run.Tears, t)
		if len(e.o.Pythons) == 0 {
			continue
		}
		t = Tear{Language: "python", Locked: locked}
		spec := map[string]any{"mode": "tear", "size": TornSize, "frames": tearFrames, "writers": tearers, "lock": locked}
		if err := e.python(ctx, e.o.Pythons[0], spec, &t); err != nil {
			return err
		}
		e.run.Tears = append(e.run.Tears, t)
	}
	t := Tear{Language: "go", Readers: tearers}
	err := t.deal()
	e.run.Tears = append(e.run.Tears, t)
	return err
}

// measure writes frames, each of one letter, and counts what comes torn.
func (t *Tear) measure() error {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	r := os.NewFile(uintptr(ends[0]), "pipe")
	defer r.Close()
	var lock sync.Mutex
	var writers sync.WaitGroup
	for letter := range byte(tearers) {
		writers.Go(func() {
			frame := bytes.Repeat([]byte{letter}, TornSize)
			for range tearFrames {
				if t.Locked {
					lock.Lock()
				}
				for rest := frame; len(rest) > 0; {
					n, err := unix.Write(ends[1], rest)
					if err != nil && err != unix.EINTR {
						break // which shows: frames are missing
					}
					rest = rest[max(n, 0):]
				}
				if t.Locked {
					lock.Unlock()
				}
			}
		})
	}
	go func() {
		writers.Wait()
		unix.Close(ends[1])
	}()
	t.count(r)
	return nil
}

// count reads frames, each of which is one writer's letter all along.
func (t *Tear) count(r io.Reader) {
	in := bufio.NewReaderSize(r, 1<<20)
	for frame := make([]byte, TornSize); ; t.Frames++ {
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		if bytes.Count(frame, frame[:1]) != len(frame) {
			t.Torn++
		}
	}
}

// deal puts jobs into a queue with several readers, of whom whoever is free takes the
// next one, and counts those that not exactly one of them has taken.
func (t *Tear) deal() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[1])
	taken := make([]atomic.Int32, tearFrames)
	var readers sync.WaitGroup
	for range t.Readers {
		readers.Go(func() {
			var job [8]byte
			for {
				n, err := unix.Read(pair[1], job[:])
				if err == unix.EINTR {
					continue
				} else if n < len(job) {
					return
				}
				taken[binary.LittleEndian.Uint64(job[:])].Add(1)
			}
		})
	}
	for ; t.Frames < tearFrames && err == nil; t.Frames++ {
		_, err = unix.Write(pair[0], binary.LittleEndian.AppendUint64(nil, uint64(t.Frames)))
	}
	unix.Close(pair[0])
	readers.Wait()
	for i := range taken {
		if taken[i].Load() != 1 {
			t.Torn++
		}
	}
	return err
}
