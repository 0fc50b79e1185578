//go:build !race

package sandbox

// raceDetector says whether the program was built with the race detector.
const raceDetector = false

// DefaultDataLimit is how much private memory a process may have, in bytes,
// where its Policy says nothing else.
const DefaultDataLimit = 512 << 20
