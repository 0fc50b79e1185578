//go:build !race

package pool_test

const fewer = 1
