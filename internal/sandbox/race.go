//go:build race

package sandbox

// raceDetector says whether the program was built with the race detector.
const raceDetector = true

// DefaultDataLimit is eight times as much as without the race detector, which
// begins with some 300 MiB, takes several bytes for each of the program's, and
// ends the process when it gets no more.
const DefaultDataLimit = 4 << 30
