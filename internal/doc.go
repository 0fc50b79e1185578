// Package internal holds no code, only the test of how the packages below it
// may import each other (layers_test.go). What they provide is listed in the
// README, in the order in which data flows. Nothing is to be added here: code
// that belongs nowhere wants a package that is named for what it provides.
package internal
