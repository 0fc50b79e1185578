//go:build !race

package storetest

const slowly = false
