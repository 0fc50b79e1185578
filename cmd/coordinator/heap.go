package main

// heapFloor is memory that is never touched, so that it costs addresses and no
// RAM. The garbage collector counts it as live all the same and first runs when
// the heap has doubled it, and not after every few megabytes: for a small heap
// that takes items in and gives them back that was a fortieth of the processor
// time of a whole round. Unlike a larger GOGC it adds to a large heap only what
// it adds to a small one.
//
// Rejected: GOGC=200 and 400, which let a heap grow with the list two and four
// times as fast and save no more; twice as much memory, likewise.
var heapFloor []byte

// collectLess makes the garbage collector run less often while there is little
// to collect.
func collectLess() { heapFloor = make([]byte, 16<<20) }
