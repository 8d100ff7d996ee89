//go:build !race

package race

// Enabled reports whether the race detector is on.
const Enabled = false

// A Token orders the sends and receives of one segment for the detector.
type Token struct{}

// For returns the token of the segment with that instance id.
func For([16]byte) *Token { return nil }

// Release is called before a message is published.
func (*Token) Release() {}

// Acquire is called after a message was taken.
func (*Token) Acquire() {}
