// Package profile looks at what a program spends its time and memory on, when
// the program was built for that:
//
//	go build -tags profile -ldflags '-X feedmill/internal/profile.dir=/absolute/folder' ./cmd/…
//
// Any other build holds nothing of it: no flag, no variable and no code that a
// user or a feed could reach. make profile does all that is needed.
package profile
