//go:build race

package read

// racing says that the race detector is on. It makes pools forget what they are
// given, so that allocations cannot be counted.
const racing = true
