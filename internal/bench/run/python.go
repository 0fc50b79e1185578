//go:build linux

package run

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// article is the article's program, in its own language.
//
//go:embed article.py
var article []byte

// pythonSample takes a sample of the article's program. CPython does its own
// measuring, of the same things.
func (e *executor) pythonSample(ctx context.Context, c *Cell) (Sample, error) {
	var s Sample
	spec := map[string]any{
		"mode": strings.TrimPrefix(c.Mode, "python-"), "workers": c.Workers, "feeds": c.Feeds, "items": c.Items, "bytes": c.Bytes,
	}
	if c.Work == Parse {
		names, err := e.documents(ctx, c.Items, c.Bytes)
		if err != nil {
			return s, err
		}
		var paths []string
		for _, n := range names {
			paths = append(paths, filepath.Join(e.dir, n))
		}
		spec["documents"] = paths
	}
	err := e.python(ctx, e.o.Pythons[c.Python-1], spec, &s)
	if ctx.Err() != nil {
		return s, context.Cause(ctx)
	}
	if want := int64(c.Feeds) * int64(c.Items) * int64(c.Bytes); err == nil && c.Work == Ship && s.CopiedBytes != want {
		err = fmt.Errorf("its lists have %d bytes of text, want %d", s.CopiedBytes, want)
	}
	if err != nil {
		s.Failed = err.Error()
	}
	return s, nil
}

// python runs the article's program and decodes what it prints.
func (e *executor) python(ctx context.Context, p Python, spec map[string]any, into any) error {
	path := filepath.Join(e.dir, "article.py")
	if _, err := os.Stat(path); err != nil {
		if err := os.WriteFile(path, article, 0o600); err != nil {
			return fmt.Errorf("write the article's program: %w", err)
		}
	}
	arg, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	cmd := exec.CommandContext(short, p.Path, "-B", path, string(arg))
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
