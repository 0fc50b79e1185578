package ipc

// A Stage is what a Conn does with one frame.
type Stage uint8

// The stages. Encode and Write are the sender's, Read and Decode the
// receiver's.
const (
	StageEncode Stage = iota // from the message to a sealed frame
	StageWrite               // handing the frame over
	StageRead                // waiting for a frame and taking it in
	StageDecode              // from the frame, checked, to the message
	Stages                   // how many there are
)

// A Probe is told when a Conn begins and ends a stage, on the goroutine that
// does it, so that whoever measures can put a clock around it, and whoever looks
// on knows which answer is sent. The stages of the two directions overlap; those
// of one do not.
type Probe interface {
	// Begin says which job the frame answers, 0 for none, and how long it is,
	// in bytes, where that is known.
	Begin(s Stage, job int64, bytes int)
	End(Stage)
}

// Probe makes c tell p what it does, besides those that it tells already. It
// must be called before anything is sent or received. A nil p is told nothing.
func (c *Conn) Probe(p Probe) {
	if p != nil {
		c.probes = append(c.probes, p)
	}
}

func (c *Conn) begin(s Stage, job int64, bytes int) {
	for _, p := range c.probes {
		p.Begin(s, job, bytes)
	}
}

func (c *Conn) end(s Stage) {
	for _, p := range c.probes {
		p.End(s)
	}
}
