//go:build !race

package store

const slowly = false
