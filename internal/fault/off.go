//go:build !fault

package fault

// Enabled reports whether fault points do anything in this build.
const Enabled = false

// Point marks a named place. In this build it does nothing.
func Point(string) {}

// Err returns the error to inject at a named place. In this build there is none.
func Err(string) error { return nil }
