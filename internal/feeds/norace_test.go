//go:build !race

package feeds

const racing = false
