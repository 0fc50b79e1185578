//go:build !race

package sandbox

// raceDetector says whether the program was built with the race detector.
const raceDetector = false
