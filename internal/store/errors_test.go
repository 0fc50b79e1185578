package store

import (
	"errors"
	"testing"

	"feedmill/internal/feeds"
)

// TestErrorsSayWhoAndWhat in words, not in zeros.
func TestErrorsSayWhoAndWhat(t *testing.T) {
	for want, err := range map[string]error{
		"f is in use by process 7":                                              &LockedError{Path: "f", PID: 7},
		"f is in use by another program":                                        &LockedError{Path: "f"},
		"f has tables of version 3, and this program knows none above 2":        &SchemaError{Path: "f", Have: 3, Want: 2},
		"f has tables of version 1 and must be brought to 2 by a refresh first": &SchemaError{Path: "f", Have: 1, Want: 2},
		"f is not a feedmill store: it is a song":                               &ForeignError{Path: "f", Reason: "it is a song"},
		"f was cut short while it was in use":                                   &GoneError{Path: "f", What: "cut short"},
	} {
		if err.Error() != want {
			t.Errorf("got %s, want %s", err, want)
		}
	}
}

// TestAServerThatMayBeBackIsALostLease, and none that will say the same again.
func TestAServerThatMayBeBackIsALostLease(t *testing.T) {
	for fault, want := range map[Fault]bool{
		Unreachable: true, Starting: true, TooMany: true, Lost: true,
		BadAddress: false, Untrusted: false, NoDatabase: false, Denied: false, Forbidden: false, Standby: false, DiskFull: false,
	} {
		if err := error(&ServerError{Fault: fault}); errors.Is(err, feeds.ErrLost) != want {
			t.Errorf("fault %d: want %v", fault, want)
		}
	}
}
