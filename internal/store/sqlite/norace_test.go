//go:build !race

package sqlite

const slowly = false
