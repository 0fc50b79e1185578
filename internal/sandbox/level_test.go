package sandbox

import (
	"errors"
	"slices"
	"testing"
)

func TestModesAreSpelledAsTheyAreParsed(t *testing.T) {
	for _, m := range []Mode{BestEffort, Require, Off} {
		if got, err := ParseMode(m.String()); got != m || err != nil {
			t.Errorf("ParseMode(%q) = %v, %v, want %v", m.String(), got, err, m)
		}
	}
	for _, s := range []string{"", "Require", "on", "best_effort"} {
		if got, err := ParseMode(s); err == nil {
			t.Errorf("ParseMode(%q) = %v, want an error", s, got)
		}
	}
}

func TestLevelSaysWhatHoldsAndWhatDoesNot(t *testing.T) {
	for want, l := range map[string]Level{
		"off":                        {Mode: Off},
		"none":                       {},
		"landlock:7 seccomp rlimits": {Landlock: 7, Seccomp: true, Rlimits: true},
		"none (not built for darwin)": {Missing: []lack{
			{partLandlock, "not built for darwin"}, {partSeccomp, "not built for darwin"}, {partRlimits, "not built for darwin"}}},
		"none (no landlock: a; no seccomp: b)": {Missing: []lack{{partLandlock, "a"}, {partSeccomp, "b"}}},
		"seccomp rlimits (no landlock: function not implemented)": {Seccomp: true, Rlimits: true,
			Missing: []lack{{partLandlock, "function not implemented"}}},
		"landlock:3 seccomp rlimits (no ports: needs landlock 4, Linux 6.7)": {Landlock: 3, Seccomp: true, Rlimits: true,
			Missing: []lack{{partPorts, "needs landlock 4, Linux 6.7"}}},
	} {
		if got := l.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}

func TestUnavailableNamesEveryPart(t *testing.T) {
	err := error(&unavailableError{Missing: []lack{{partLandlock, "a"}, {partSeccomp, "b"}}})
	if want := "sandbox not available: landlock (a), seccomp (b)"; err.Error() != want {
		t.Errorf("Error() = %q, want %q", err, want)
	}
}

func TestSenselessPolicyIsRefused(t *testing.T) {
	for _, p := range []Policy{{Mode: 3}, {DataLimit: -1}, {MemoryLimit: -1}} {
		l, err := Apply(p)
		if _, unavailable := errors.AsType[*unavailableError](err); err == nil || unavailable {
			t.Errorf("Apply(%+v) = %v, %v, want an error about the policy", p, l, err)
		}
	}
}

func TestPrivateKeysAreNotReadable(t *testing.T) {
	for _, closed := range []string{"/", "/etc", "/etc/ssl", "/etc/ssl/private", "/etc/pki", "/etc/pki/tls", "/run", "/proc"} {
		if slices.Contains(readable, closed) {
			t.Errorf("%s is readable as a whole", closed)
		}
	}
}

func TestEnvironmentNamesReadPaths(t *testing.T) {
	t.Setenv("SSL_CERT_FILE", "/a/bundle.pem")
	t.Setenv("SSL_CERT_DIR", "/b:/c")
	t.Setenv("ZONEINFO", "/d/zoneinfo.zip")
	got := readPaths()
	for _, want := range []string{"/a/bundle.pem", "/b", "/c", "/d/zoneinfo.zip", "/etc/resolv.conf"} {
		if !slices.Contains(got, want) {
			t.Errorf("readPaths() = %q, want %q among them", got, want)
		}
	}
}
