//go:build linux

package run

import (
	"encoding/json"
	"time"
)

// A task is what a process that takes one sample is told.
type task struct {
	Cell      Cell     `json:"cell"`
	Self      []string `json:"self"`      // how the program is started as one of its children
	Documents string   `json:"documents"` // folder
	Names     []string `json:"names"`     // of the documents of this cell
	GOGC      int      `json:"gogc"`
	Plant     plant    `json:"plant"`
}

// An errand is what a worker of the experiment is told beside what every worker
// is: where documents are, which costs are planted, whether there are clocks, and
// what one document may take.
type errand struct {
	Documents string
	Plant     plant
	Clocked   bool
	ParseCPU  time.Duration
	Memory    int64
}

// args returns the arguments with which the program is a worker on the errand.
func (e *errand) args(self []string) []string {
	return append(self[1:len(self):len(self)], "worker", "--errand", e.told())
}

// told returns the errand as an argument.
func (e *errand) told() string {
	told, _ := json.Marshal(e) // of such fields it cannot fail
	return string(told)
}
