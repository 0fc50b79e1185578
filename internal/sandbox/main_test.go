package sandbox

import (
	"fmt"
	"os"
	"testing"
)

// childVar names the part that a child plays, see children.
const childVar = "FEEDMILL_SANDBOX_TEST_CHILD"

// children are the programs that tests run in a process of their own: what
// Apply takes away does not come back. Each prints lines of a name, a tab and
// what became of it.
var children = map[string]func(){}

func TestMain(m *testing.M) {
	if name := os.Getenv(childVar); name != "" {
		children[name]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// say prints what became of something, nil as "ok".
func say(name string, what any) {
	if what == nil {
		what = "ok"
	}
	fmt.Printf("%s\t%v\n", name, what)
}
