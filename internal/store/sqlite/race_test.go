//go:build race

package sqlite

// slowly says that the race detector makes SQLite some 20 times as slow: tests
// that repeat themselves do so less often.
const slowly = true
