package main

import "runtime/debug"

// release is the version that servers see in the User-Agent.
const release = "0.1.0"

// version returns what this program was built from: the revision where the
// build recorded one.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
