//go:build race

package run_test

// racing says that the race detector is on, which makes everything some ten
// times as slow, and not evenly: what is measured then is the detector.
const racing = true
