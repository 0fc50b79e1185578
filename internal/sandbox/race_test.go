//go:build race

package sandbox

// raceDetector says that this program has some 300 MiB of data before it
// begins, and a word of the detector's own when it gets no more.
const raceDetector = true
