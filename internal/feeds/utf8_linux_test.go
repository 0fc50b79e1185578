package feeds

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestValidUTF8ReadsNothingElse looks at texts of every length that begin or end
// where memory does: an item's text may be the last thing in an arena.
func TestValidUTF8ReadsNothingElse(t *testing.T) {
	page := os.Getpagesize()
	mem, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem)
	inside := mem[page : 2*page]
	for i := range inside {
		inside[i] = "é"[i%2]
	}
	for _, outside := range [][]byte{mem[:page], mem[2*page:]} {
		if err := unix.Mprotect(outside, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	for n := 2; n <= 260; n += 2 {
		for _, text := range [][]byte{inside[:n], inside[page-n:]} {
			if !ValidUTF8(unsafe.String(&text[0], n)) {
				t.Errorf("%d bytes are not valid, want valid", n)
			}
		}
	}
}
