package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"feedmill/internal/bench"
)

// csvHead are the columns of the CSV: the sample, the factors of its cell, and
// one measurement.
var csvHead = []string{"order", "invocation", "block", "cell", "work", "mode", "workers", "feeds", "items", "bytes",
	"latency_ns", "cold", "heap_bytes", "shipped", "gofeed", "clocked", "twin", "failed", "outlier", "metric", "value"}

// CSV writes every sample in long form: a line for each measurement of each
// sample, whole samples rather than one feed, with the names of run.json. What
// is not known is left out.
func CSV(w io.Writer, run *bench.Run) error {
	c := csv.NewWriter(w)
	if err := c.Write(csvHead); err != nil {
		return fmt.Errorf("write samples: %w", err)
	}
	for _, s := range run.Samples {
		cell := run.Cells[s.Cell]
		lead := []string{strconv.Itoa(s.Order), strconv.Itoa(s.Invocation), strconv.Itoa(s.Block), strconv.Itoa(s.Cell), string(cell.Work), cell.Mode,
			strconv.Itoa(cell.Workers), strconv.Itoa(cell.Feeds), strconv.Itoa(cell.Items), strconv.Itoa(cell.Bytes),
			strconv.FormatInt(int64(cell.Latency), 10), strconv.FormatBool(cell.Cold), strconv.FormatInt(cell.Heap, 10), strconv.FormatBool(cell.Shipped), strconv.FormatBool(cell.Gofeed),
			strconv.FormatBool(cell.Clocked), strconv.Itoa(cell.Twin), s.Failed, strconv.FormatBool(s.Outlier)}
		for _, m := range measurements(s) {
			if err := c.Write(append(lead[:len(lead):len(lead)], m.name, m.value)); err != nil {
				return fmt.Errorf("write samples: %w", err)
			}
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("write samples: %w", err)
	}
	return nil
}

type measurement struct{ name, value string }

// measurements are all figures of a sample, in the order of run.json.
func measurements(s bench.Sample) []measurement {
	var all []measurement
	whole := func(name string, v int64) {
		if v >= 0 { // -1 is not known
			all = append(all, measurement{name, strconv.FormatInt(v, 10)})
		}
	}
	part := func(name string, v float64) {
		all = append(all, measurement{name, strconv.FormatFloat(v, 'f', -1, 64)})
	}
	whole("wall_ns", int64(s.Wall))
	whole("cpu_ns", int64(s.CPU))
	whole("coordinator_cpu_ns", int64(s.CoordinatorCPU))
	whole("workers_cpu_ns", int64(s.WorkersCPU))
	whole("origin_cpu_ns", int64(s.OriginCPU))
	whole("minor_faults", s.MinorFaults)
	whole("major_faults", s.MajorFaults)
	whole("switches", s.Switches)
	whole("read_calls", s.ReadCalls)
	whole("write_calls", s.WriteCalls)
	whole("sent_bytes", s.SentBytes)
	whole("wire_bytes", s.WireBytes)
	whole("copied_bytes", s.CopiedBytes)
	whole("pss_bytes", s.PSS)
	whole("coordinator_hwm_bytes", s.CoordinatorHWM)
	whole("workers_hwm_bytes", s.WorkersHWM)
	whole("workers_pss_bytes", s.WorkersPSS)
	whole("gc_cycles", s.GCCycles)
	whole("alloc_bytes", s.Alloc)
	whole("p50_ns", int64(s.P50))
	whole("p99_ns", int64(s.P99))
	part("foreign", s.Foreign)
	part("steal", s.Steal)
	throttled := int64(0)
	if s.Throttled {
		throttled = 1
	}
	whole("throttled", throttled)
	for _, st := range s.Stages {
		whole(st.Side+"_"+st.Name+"_ns", int64(st.CPU))
	}
	return all
}
