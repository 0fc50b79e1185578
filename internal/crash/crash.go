// Package crash names the moments at which tests kill a process: a program
// that is built with the tag crashpoints dies at the one that its environment
// names. It refuses to be a door into what users run: without the tag [At] is
// empty, and no program reads a variable.
//
// A point is named for the program that dies and the moment, such as
// "coordinator: before commit". What every point is followed by, a rerun that
// ends as if nothing had happened, is tested in cmd/coordinator.
package crash

// Variable names the point at which to die, in the environment of the tagged
// build: NAME, or NAME:N for the N-th time that it is reached.
const Variable = "FEEDMILL_CRASH"

// CountVariable names a file in which all processes of a run count together
// how often the point was reached. It must exist and hold [CountSize] zeros;
// without one each process counts for itself.
const CountVariable = "FEEDMILL_CRASH_COUNT"

// CountSize is how many bytes a file of counts has.
const CountSize = 8
