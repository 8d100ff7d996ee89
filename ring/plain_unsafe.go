//go:build amd64 && !race

package ring

import (
	"sync/atomic"
	"unsafe"
)

// Stores that need no fence on this processor, where an atomic store is an exchange that
// costs as much as everything else in a send. It makes stores visible in program order, and
// a locked instruction makes all before it visible first (Intel SDM 3A, 8.2.2). The
// compiler keeps the order of stores among each other, calls and atomic operations. All are
// aligned words: a reader sees one whole or not at all. plain_atomic.go has their twins.

// commitLater stores the commit word of a later slot of a batch, before the first one of
// that batch is stored. Whoever sees it sees the payload, which was written before, and
// whoever sees the first word sees it.
func (s cell) commitLater(w uint64) { *(*uint64)(s.base) = w }

// showIntent is followed by the CAS that makes us the owner: a locked instruction, before
// which the intent is visible.
func showIntent(p *atomic.Uint64, w uint64) {
	*(*uint64)(unsafe.Pointer(p)) = w // sync: intent
}

// clearIntent follows the store of the commit word, or a lost CAS, and is visible after
// either. That it may be visible a little later than an atomic store would be is as if this
// process were a little slower: it delays a skip, which is looked at again.
func clearIntent(p *atomic.Uint64) {
	*(*uint64)(unsafe.Pointer(p)) = 0 // sync: intent
}
