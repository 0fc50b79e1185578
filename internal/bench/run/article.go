//go:build linux

package run

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
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
