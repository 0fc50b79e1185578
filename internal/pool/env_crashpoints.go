//go:build crashpoints

package pool

import "feedmill/internal/crash"

// Workers of a build that can be told where to die are told too.
func init() { passedOn = append(passedOn, crash.Variable, crash.CountVariable) }
