//go:build !race

package ipc

const racing = false
