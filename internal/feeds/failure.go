package feeds

import "fmt"

// A Failure is why a job did not succeed. It is the one error type that
// leaves this package's fetching and reading: callers decide by its Class.
type Failure struct {
	Class  Class
	Detail string // what was wrong, lower case, no full stop
	Hint   string // what the user could type; usually empty
	Err    error  // the cause, when there is one; not shown on its own

	Links []string // becomes Result.Links
}

// Error returns the class and the detail.
func (f *Failure) Error() string {
	if f.Detail == "" {
		return string(f.Class)
	}
	return string(f.Class) + ": " + f.Detail
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Failf returns a Failure with a class and a detail.
func Failf(class Class, format string, args ...any) *Failure {
	return &Failure{Class: class, Detail: fmt.Sprintf(format, args...)}
}
