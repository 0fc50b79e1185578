//go:build !race

package sandbox

import "testing"

// TestAProcessMayHave512MiBOfData: other tests take the constant for what it is,
// and so would not see that users had been given the limit of the race detector.
func TestAProcessMayHave512MiBOfData(t *testing.T) {
	if DefaultDataLimit != 512<<20 {
		t.Errorf("a process may have %d bytes, want 512 MiB", DefaultDataLimit)
	}
}
