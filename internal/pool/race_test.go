//go:build race

package pool_test

// A program with the race detector takes ten times as long to start, so tests
// that start many of them start fewer.
const raceDetector, fewer = true, 5
