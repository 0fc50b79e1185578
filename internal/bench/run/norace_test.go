//go:build !race

package run_test

const racing = false
