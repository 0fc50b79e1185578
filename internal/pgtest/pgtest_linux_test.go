package pgtest

import "testing"

// TestAKilledServerComesBackWithWhatItHad is what the tests of the store build on.
func TestAKilledServerComesBackWithWhatItHad(t *testing.T) {
	c := Start(t)
	c.Exec(t, "postgres", "CREATE TABLE kept (n int); INSERT INTO kept VALUES (17)")
	before := c.Processes()
	c.Kill()
	for _, pid := range before {
		if alive(pid) {
			t.Errorf("process %d outlives the kill", pid)
		}
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	if got := c.Exec(t, "postgres", "SELECT n FROM kept"); got != "17" {
		t.Errorf("got %q, want what was stored", got)
	}
	if a, b := c.CreateDB(t), c.CreateDB(t); a == b {
		t.Errorf("two databases have the URL %s", a)
	}
}
