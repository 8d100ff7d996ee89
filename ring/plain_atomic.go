//go:build !amd64 || race

package ring

import "sync/atomic"

// Atomic twins of the stores of plain_unsafe.go, for processors that may reorder stores, and
// for the race detector.

func (s cell) commitLater(w uint64) { s.commit().Store(w) } // sync: commit

func showIntent(p *atomic.Uint64, w uint64) { p.Store(w) } // sync: intent

func clearIntent(p *atomic.Uint64) { p.Store(0) } // sync: intent
