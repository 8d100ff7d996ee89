//go:build !race

package race

// Enabled reports whether the race detector is on.
const Enabled = false

// A Token orders those who use one segment for the detector.
type Token struct{}

// For returns the token of an attachment of the segment with that instance id.
func For(_ [16]byte, _ bool) *Token { return nil }

// Release is called before something is given to others.
func (*Token) Release(Order) {}

// Acquire is called after something was taken that others gave.
func (*Token) Acquire(Order) {}
