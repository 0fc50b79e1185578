package sandbox

// dnsPort is where name servers answer.
const dnsPort = 53

// restrict does what p asks, part by part, and records what did not work.
//
// The order matters: the deny-list comes last, because it refuses what the
// parts before it do.
func restrict(p Policy) Level {
	var l Level
	limit(p, &l)
	confine(p, &l)
	if err := loadDenyList(); err != nil {
		l.lacks(partSeccomp, err.Error())
	} else {
		l.Seccomp = true
	}
	return l
}

// probe asks the kernel what it could do.
func probe(p Policy) Level {
	var l Level
	if data, err := dataLimit(p); err != nil {
		l.lacks(partRlimits, err.Error())
	} else {
		l.Rlimits, l.DataLimit = true, data
	}
	if abi, err := landlockABI(); err != nil {
		l.lacks(partLandlock, err.Error())
	} else {
		l.Landlock = abi
		holdsPorts(p, &l)
	}
	if err := seccompAvailable(); err != nil {
		l.lacks(partSeccomp, err.Error())
	} else {
		l.Seccomp = true
	}
	return l
}

// holdsPorts records whether the Landlock of l can do what p says of ports.
func holdsPorts(p Policy, l *Level) {
	if p.ConnectPorts != nil && l.Landlock < landlockTCP {
		l.lacks(partPorts, "needs landlock 4, Linux 6.7")
	}
}
