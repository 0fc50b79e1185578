package feeds

import "errors"

// A Lease is the right to refresh the feeds of one registrable domain for a while,
// where several coordinators share a store. The store gives it and says when it is
// over; what a holder brings after that is not stored.
type Lease struct {
	Domain string
	Epoch  int64 // grows with every lease of the domain, so that an old one is told from a new one
	Lost   int   // how many leases of the domain in a row, before this one, were not given back: their holders died
}

// ErrLost says that a lease is over, or somebody else's, and that what was to be
// done under it was not done. Others may have the domain now.
var ErrLost = errors.New("the lease was lost")
