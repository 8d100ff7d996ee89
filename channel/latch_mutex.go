//go:build !linux || !amd64 || race

package channel

import "sync"

// A latch is a plain mutex where stores may be reordered, where nobody can be made to pass a
// barrier, and where the race detector looks.
type latch struct{ sync.Mutex }

func (l *latch) makeBiased() {}
