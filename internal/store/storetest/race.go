//go:build race

package storetest

// slowly says that the race detector makes a store some 20 times as slow: tests
// that repeat themselves do so less often.
const slowly = true
