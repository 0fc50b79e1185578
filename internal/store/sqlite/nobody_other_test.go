//go:build !linux

package sqlite

import (
	"os"
	"testing"
)

// asNobody reports whether permissions bind the test that calls it, and skips it
// where they do not.
func asNobody(t *testing.T) (bound bool) {
	t.Helper()
	if os.Getuid() <= 0 {
		t.Skip("needs a user whom permissions bind: they do not bind root, and Windows has others")
	}
	return true
}
