package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"feedmill/internal/feeds"
)

// writeMetrics writes what a round came to into a file in Prometheus' text form,
// for its node exporter's textfile collector: the old file is there until the new
// one is whole.
//
// Rejected: prometheus/common/expfmt, 20 packages for a dozen lines of numbers.
func writeMetrics(path string, s summaryLine, classes map[feeds.Class]int, end time.Time, failed bool) error {
	var m gauges
	m.head("round_feeds", "Feeds of the last round, by how they ended.")
	for _, c := range feeds.Classes() {
		fmt.Fprintf(&m, "feedmill_round_feeds{class=%q} %d\n", c, classes[c])
	}
	m.all([]gauge{
		{"round_items_new", "Items that the last round stored.", s.New},
		{"round_items_updated", "Items that the last round replaced.", s.Updated},
		{"round_duration_seconds", "How long the last round took.", float64(s.WallMS) / 1000},
		{"round_cpu_coordinator_seconds", "Processor time of the coordinator in the last round.", float64(s.CPUMS.Coordinator) / 1000},
		{"round_cpu_workers_seconds", "Processor time of all workers in the last round.", float64(s.CPUMS.Workers) / 1000},
		{"round_body_bytes", "Bytes of bodies that came in the last round.", s.Bytes.Body},
		{"round_worker_deaths", "Workers that died in the last round.", s.WorkerDeaths},
		{"round_peak_coordinator_bytes", "The most memory of the coordinator.", s.PeakRSS.Coordinator},
		{"round_peak_worker_bytes", "The most memory of the largest worker.", s.PeakRSS.Worker},
		{"round_completed", "Whether the last round did its work.", map[bool]int{false: 1, true: 0}[failed]},
		{"round_end_timestamp_seconds", "When the last round ended, in Unix time.", end.Unix()},
	})
	return replaceFile(path, m.Bytes())
}

// gauges are metrics in Prometheus' text form, which OpenMetrics has too.
type gauges struct{ bytes.Buffer }

// A gauge is a metric that is one number.
type gauge struct {
	name, help string
	value      any
}

func (m *gauges) head(name, help string) {
	fmt.Fprintf(m, "# TYPE feedmill_%s gauge\n# HELP feedmill_%s %s\n", name, name, help)
}

func (m *gauges) all(list []gauge) {
	for _, g := range list {
		m.head(g.name, g.help)
		fmt.Fprintf(m, "feedmill_%s %v\n", g.name, g.value)
	}
}

// checkMetrics refuses a file that could not be written when the round is done.
func checkMetrics(path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usage("", "--metrics %s: it is a folder", path)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return usage("", "--metrics %s: there is no folder %s", path, filepath.Dir(path))
	}
	return nil
}

// replaceFile writes a file whole: whenever the program dies the file has either
// this or what it had.
func replaceFile(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// replaceBy is replaceFile with what write writes.
func replaceBy(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return replaceFile(path, b.Bytes())
}
