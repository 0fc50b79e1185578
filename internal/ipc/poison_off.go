//go:build !race && !crashpoints

package ipc

// poisoned is what poison begins with.
const poisoned = false
