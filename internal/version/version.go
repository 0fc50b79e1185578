// Package version says what both programs were built from. It knows nothing of
// what they speak: the protocol and the store's tables have versions of their own.
package version

import (
	"regexp"
	"runtime/debug"
	"strings"
)

// tag is the tag that was built, which the linker sets: see the Makefile.
var tag string

// next is the release that this is on the way to.
const next = "0.1.0"

var release = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)$`)

// Release returns the version that people and servers see, such as 1.2.3: that of
// the tag, or of the module where go install built one, else that of the next one.
func Release() string {
	for _, v := range []string{tag, module()} {
		if m := release.FindStringSubmatch(v); m != nil {
			return m[1]
		}
	}
	return next
}

// Build returns what tells two builds apart: the module's version, with the
// revision where the build recorded one.
func Build() string {
	if tag != "" {
		return strings.TrimPrefix(tag, "v")
	}
	if v := module(); v != "" {
		return v
	}
	return "(devel)"
}

func module() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Version
}
