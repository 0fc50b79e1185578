//go:build !race

package pool_test

const raceDetector, fewer = false, 1
