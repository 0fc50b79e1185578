package bench

import "time"

// A Limit is a floor: what the machine itself takes for the bare mechanism,
// measured in the same run. Other figures are printed as multiples of one.
type Limit struct {
	// Name is memcpy, raw-pipe, switch, page-fault, goroutine, clock, spawn,
	// spawn-smallest, spawn-worker, spawn-worker-faults or process-memory.
	Name  string   `json:"name"`
	What  string   `json:"what"` // for people: "both ends of a pipe, 64 KiB writes"
	Unit  string   `json:"unit"` // ns/B, ns, B, faults
	Value Interval `json:"value"`
	// CPU says that it is CPU time, of both sides; else it is wall time or a
	// size.
	CPU bool `json:"cpu"`
}

// A Summary is what the samples of one cell say on their own. Medians are for
// people; anything that is added up elsewhere is made of means.
type Summary struct {
	Cell     int     `json:"cell"`
	Samples  int     `json:"samples"`
	Outliers int     `json:"outliers"`
	CPU      Summed  `json:"cpu_ns"`     // of the tree, a feed
	Wall     Summed  `json:"wall_ns"`    // a feed
	PSS      Summed  `json:"pss_bytes"`  // of the tree
	Faults   Summed  `json:"faults"`     // minor, a feed
	Switches Summed  `json:"switches"`   // a feed
	Calls    Summed  `json:"calls"`      // read and write system calls, a feed
	Wire     float64 `json:"wire_bytes"` // a feed
}

// Summed is one figure over the samples of a cell.
type Summed struct {
	Median Interval `json:"median"` // with the interval of the median
	Mean   float64  `json:"mean"`
	Min    float64  `json:"min"`
	Max    float64  `json:"max"`
}

// A Comparison is a cell against another one in the same blocks.
type Comparison struct {
	What string `json:"what"` // for people: "pipe against goroutine"
	// Sweep is the factor that the comparison belongs to, as in Cell.Sweeps;
	// "headline" for the first one and "twin" for that of two equal cells.
	Sweep string `json:"sweep"`
	Cell  int    `json:"cell"`
	Base  int    `json:"base"`
	// Ratios are of the means; differences of the means, Cell less Base, in
	// nanoseconds a feed.
	CPURatio  Interval `json:"cpu_ratio"`
	CPUDiff   Interval `json:"cpu_diff_ns"`
	WallRatio Interval `json:"wall_ratio"`
	WallDiff  Interval `json:"wall_diff_ns"`
	// P is the chance of a CPU difference like this between equal cells
	// (Mann-Whitney), and Holm that after the correction for all comparisons
	// of the run.
	P    float64 `json:"p"`
	Holm float64 `json:"holm"`
	// Visible is the smallest CPU ratio above 1, such as 1.02, that the run
	// could have told from 1, by its pair of equal cells; 0 when it had none.
	Visible float64 `json:"visible,omitempty"`
	// Verdict is higher, lower or "no difference": the last when CPURatio's
	// interval has 1 in it, its estimate is within Visible or P is not below
	// 0.05.
	Verdict string `json:"verdict"`
}

// The verdicts of a Comparison.
const (
	Higher       = "higher"
	Lower        = "lower"
	NoDifference = "no difference"
)

// A Ledger says where the CPU time of a mode over another goes. The ladder's
// rows add up to the gap exactly; the direct ones need not, and Residue is what
// they leave.
type Ledger struct {
	What string      `json:"what"`
	Work Work        `json:"work"`
	Base int         `json:"base"`    // the cell at the foot
	Top  int         `json:"top"`     // the cell at the head
	Gap  Interval    `json:"gap_ns"`  // CPU of the tree, a feed, Top less Base
	Foot Interval    `json:"foot_ns"` // CPU of Base, a feed
	Rows []LedgerRow `json:"rows"`
	// Beside are the other modes: each Ladder is the step from Base to it.
	Beside []LedgerRow `json:"beside,omitempty"`

	Direct  Interval `json:"direct_ns"`  // sum of the direct estimates
	Residue Interval `json:"residue_ns"` // Gap less Direct
	// ResidueShare is |Residue| over Gap. Missing says, when it is over 0.15,
	// which measurement would be needed, and why there is none.
	ResidueShare float64 `json:"residue_share"`
	Missing      string  `json:"missing,omitempty"`
	// Perturbation is the CPU ratio of the clocked head to the one without
	// clocks.
	Perturbation Interval `json:"perturbation"`
}

// A LedgerRow is one step of the ladder.
type LedgerRow struct {
	Name string `json:"name"` // codec, local-pipe, process, spawn; beside: concurrency or a mode
	What string `json:"what"` // for people: what this step adds
	From int    `json:"from"` // the cells whose difference Ladder is
	To   int    `json:"to"`
	// Ladder and Direct are CPU time, in nanoseconds a feed. Direct is nil
	// where nothing measures it on its own.
	Ladder       Interval  `json:"ladder_ns"`
	Direct       *Interval `json:"direct_ns,omitempty"`
	Disagreement *Interval `json:"disagreement_ns,omitempty"` // Ladder less Direct
	Parts        []Part    `json:"parts,omitempty"`           // what Direct is the sum of
	// Limit names the floor of this row, and Times is Ladder over it; 0 when
	// there is none.
	Limit   string  `json:"limit,omitempty"`
	LimitNS float64 `json:"limit_ns,omitempty"` // the floor, a feed
	Times   float64 `json:"times,omitempty"`
}

// A Part is one direct estimate.
type Part struct {
	Name   string   `json:"name"`   // encode, decode, write, read, dispatch, faults, switches, gc, spawn, exit
	Method string   `json:"method"` // thread clock, count at a calibrated price, runtime/metrics, getrusage
	Value  Interval `json:"ns"`
}

// A Fit is the cost model gap = a + c items + b bytes (+ s spawns), a feed,
// fitted to differences that are paired in blocks. It holds within its ranges
// and is not to be drawn beyond them.
type Fit struct {
	What  string     `json:"what"` // "pipe over goroutine, ship"
	Work  Work       `json:"work"`
	Mode  string     `json:"mode"`
	Base  string     `json:"base"`
	Terms []Term     `json:"terms"`
	Items [2]int     `json:"items_range"` // least and most items of a feed
	Bytes [2]int     `json:"bytes_range"` // least and most bytes of a feed's list
	Cells []FitPoint `json:"points"`
	// LackOfFit is the F test of what the model leaves between the points
	// against what is within them: a small P says that the line is not the
	// whole truth. AdjustedR2 never proves a model.
	LackOfFit  FTest   `json:"lack_of_fit"`
	AdjustedR2 float64 `json:"adjusted_r2"`
}

// A Term is a coefficient of a Fit.
type Term struct {
	Name  string   `json:"name"` // a, c, b or s
	What  string   `json:"what"` // "each item"
	Unit  string   `json:"unit"` // ns, ns/item, ns/B, ns/spawn
	Value Interval `json:"value"`
	Limit string   `json:"limit,omitempty"` // the floor that it is compared with
	Times float64  `json:"times,omitempty"`
}

// A FitPoint is what a Fit makes of one pair of cells.
type FitPoint struct {
	Cell     int      `json:"cell"`
	Base     int      `json:"base"`
	Items    int      `json:"items"` // of a feed
	Bytes    int      `json:"bytes"` // of a feed's list, as Sample.CopiedBytes counts
	Gap      Interval `json:"gap_ns"`
	Fitted   float64  `json:"fitted_ns"`
	Residual float64  `json:"residual_ns"` // Gap less Fitted
}

// An FTest is an F statistic with its degrees of freedom and its P value.
type FTest struct {
	F   float64 `json:"f"`
	DF1 int     `json:"df1"`
	DF2 int     `json:"df2"`
	P   float64 `json:"p"`
}

// A Buy is what became of the same feeds with one of a kind that kills, in one
// mode.
type Buy struct {
	Killer   string        `json:"killer"` // none, stack, memory or endless
	Mode     string        `json:"mode"`
	Feeds    int           `json:"feeds"`
	Answered int           `json:"answered"` // feeds with a list, the killer never
	Lost     int           `json:"lost"`     // innocent feeds without one
	Class    string        `json:"class"`    // how the killer itself ended; empty when nobody lived to say so
	Deaths   int           `json:"deaths"`   // of workers
	Survived bool          `json:"survived"` // the coordinator
	Ended    string        `json:"ended"`    // how the coordinator ended: "exit status 2", "killed after 20s"
	Wall     time.Duration `json:"wall_ns"`
	// Recovery is how much longer the run took than the one without a killer,
	// where it came to its end.
	Recovery time.Duration `json:"recovery_ns,omitempty"`
}

// BreakEven says from where on the price of a process does not matter.
type BreakEven struct {
	Latency []Overhead `json:"latency,omitempty"` // against the origin's latency, work round
	Parse   []Overhead `json:"parse,omitempty"`   // against the work done for each byte
	Heap    []Overhead `json:"heap,omitempty"`    // against what else lives in the coordinator
	// LatencyUnder5 is the least latency measured from which on the wall
	// overhead's interval is below 5 %; -1 for never.
	LatencyUnder5 time.Duration `json:"latency_under_5pc_ns"`

	Spawn    Interval `json:"spawn_ns"`            // CPU of starting and ending one worker
	Refresh  Interval `json:"refresh_ns"`          // CPU of one feed in the mode pipe, workers warm
	Amortise float64  `json:"amortise"`            // refreshes of one worker after which its spawn is 1 % of its CPU time
	COST     []COST   `json:"cost,omitempty"`      // McSherry's question, for each mode
	Note     string   `json:"what_it_does_not_do"` // what break-even there is none of
}

// An Overhead is a mode against goroutines at one level of a factor.
type Overhead struct {
	Mode  string   `json:"mode"`
	At    float64  `json:"at"` // nanoseconds of latency, nanoseconds of work a byte, bytes of heap
	Unit  string   `json:"unit"`
	Wall  Interval `json:"wall"` // 0.05 is 5 % more than goroutines
	CPU   Interval `json:"cpu"`
	Cell  int      `json:"cell"`
	Base  int      `json:"base"`
	Label string   `json:"label"` // for people: "50ms", "ship", "gofeed"
}

// COST is the least number of workers with which a mode is faster, by the wall
// clock, than one plain loop, or than goroutines with as many workers.
type COST struct {
	Mode    string `json:"mode"`
	Against string `json:"against"` // sequential or goroutine
	Work    Work   `json:"work"`
	Workers int    `json:"workers"` // 0 for never
	Tried   []int  `json:"tried"`
}

// A Tear is what came of several processes that wrote frames to one pipe.
type Tear struct {
	Language string  `json:"language"` // go or python
	Writers  int     `json:"writers"`
	Size     int     `json:"size"`   // bytes of a frame
	Locked   bool    `json:"locked"` // a lock was held around each frame
	Frames   int     `json:"frames"` // that were written
	Torn     int     `json:"torn"`   // that had another one's bytes in them
	CPU      float64 `json:"cpu_ns"` // of the writers, a frame; their start is in it
}

// A Claim is something that the article says, and what was measured here.
type Claim struct {
	ID     string  `json:"id"`   // C1 and so on
	Says   string  `json:"says"` // in other words
	Go     Verdict `json:"go"`
	Python Verdict `json:"python"`
}

// A Verdict is how a claim fared.
type Verdict struct {
	Holds  string   `json:"holds"`  // yes, no, partly, "not measured"
	Figure string   `json:"figure"` // for people: the measurement, in a line
	Value  Interval `json:"value"`
	Unit   string   `json:"unit,omitempty"`
	Cells  []int    `json:"cells,omitempty"` // whose samples it is from
}

// A Warning names something that makes figures doubtful. None is hidden.
type Warning struct {
	// Kind is unequal-work, noisy, throttled, steal, too-few-runs, no-python,
	// missing-mode, failed-sample, interrupted or residue.
	Kind  string `json:"kind"`
	Text  string `json:"text"`
	Cells []int  `json:"cells,omitempty"`
}
