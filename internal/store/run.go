package store

// A Run says how a round is being done.
type Run struct {
	Mode    string
	Workers int
}

// A RunResult is how a round ended, counted in feeds and items.
type RunResult struct {
	Feeds     int
	Succeeded int
	Failed    int
	New       int
	Updated   int
}
