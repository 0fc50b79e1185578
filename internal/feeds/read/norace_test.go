//go:build !race

package read

const racing = false
