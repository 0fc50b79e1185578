package sandbox

import (
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Versions of Landlock's interface, see landlock(7).
const (
	landlockTCP     = 4  // TCP ports
	landlockSignals = 6  // signals and abstract sockets
	landlockKnown   = 11 // the newest that the library speaks
)

// confine leaves readPaths readable and p's ports open, and takes away all
// other files, all writing, listening for TCP, and signals to other processes.
func confine(p Policy, l *Level) {
	abi, err := landlockABI()
	if err != nil {
		l.lacks(partLandlock, err.Error())
		return
	}
	config := landlock.V11
	rules := pathRules(readPaths())
	if p.ConnectPorts == nil {
		config.HandledAccessNet = llsys.AccessNetBindTCP
	} else {
		rules = append(rules, portRules(p.ConnectPorts)...)
	}
	if err := config.BestEffort().Restrict(rules...); err != nil {
		l.lacks(partLandlock, err.Error())
		return
	}
	l.Landlock = abi
	holdsPorts(p, l)
}

// pathRules lets what exists of paths be read, files and whole directories,
// but not executed, which the library's own read-only rules would allow.
func pathRules(paths []string) []landlock.Rule {
	var files, dirs []string
	for _, path := range paths {
		// What cannot be looked up cannot be named in a rule either.
		switch info, err := os.Stat(path); {
		case err != nil:
		case info.IsDir():
			dirs = append(dirs, path)
		default:
			files = append(files, path)
		}
	}
	return []landlock.Rule{
		landlock.PathAccess(llsys.AccessFSReadFile, files...).IgnoreIfMissing(),
		landlock.PathAccess(llsys.AccessFSReadFile|llsys.AccessFSReadDir, dirs...).IgnoreIfMissing(),
	}
}

// portRules lets ports be connected to, and names be looked up.
func portRules(ports []uint16) []landlock.Rule {
	rules := []landlock.Rule{
		landlock.ConnectTCP(dnsPort),
		landlock.ConnectSendUDP(dnsPort),
		landlock.BindUDP(0), // the port that a lookup is sent from
	}
	for _, port := range ports {
		rules = append(rules, landlock.ConnectTCP(port))
	}
	return rules
}

// landlockABI returns the version of Landlock's interface that would be in
// force, at least 1.
func landlockABI() (int, error) {
	abi, err := llsys.LandlockGetABIVersion()
	if err != nil {
		return 0, err
	}
	if abi >= landlockSignals {
		// Where the kernel's threads of one process cannot signal one
		// another (erratum 2), the library stops short of that version.
		if errata, err := llsys.LandlockGetErrata(); err != nil || errata&2 == 0 {
			abi = landlockSignals - 1
		}
	}
	return min(abi, landlockKnown), nil
}
