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
// does it, so that whoever measures can put a clock around it. A stage that
// fails is not ended. The stages of the two directions overlap; those of one do
// not.
type Probe interface {
	Begin(Stage)
	End(Stage)
}

// Probe makes c tell p what it does, which it must be asked for before it
// sends or receives. Without a probe, a stage costs one comparison.
func (c *Conn) Probe(p Probe) { c.probe = p }

func (c *Conn) begin(s Stage) {
	if c.probe != nil {
		c.probe.Begin(s)
	}
}

func (c *Conn) end(s Stage) {
	if c.probe != nil {
		c.probe.End(s)
	}
}
