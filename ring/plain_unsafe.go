//go:build amd64 && !race

package ring

import (
	"sync/atomic"
	"unsafe"
)

// Plain stores are enough for the words below: this processor makes stores visible in
// program order, a locked instruction waits until all before it are visible, and the
// compiler moves no store across an atomic access or a call, nor drops one before it as
// overwritten later: to it both may read the word. A reader sees an aligned word whole or not
// at all. An atomic store would wait for its own cache line, which somebody may just be reading.
//
// Stores around the cache have no such order. The runtime copies large payloads by them, and
// ends each such copy by a fence.

// commitLater stores the commit word of a later slot of a batch, before the first
// one of that batch is stored. So whoever sees this word sees the payload, and whoever sees
// the first word, which is stored atomically, sees this one. Some look before (Unread, Scrub).
func (s cell) commitLater(w uint64) { *(*uint64)(s.base) = w } // sync: commit

// storeIntent stores an intent. An intent is shown before the CAS of tail, which is a locked
// instruction: whoever sees the new tail sees it. It is cleared after the commit word is
// stored: whoever sees zero sees that word. One that is cleared after a lost CAS is seen a
// moment later than an atomic store would be, with nothing waiting in between: whoever
// sleeps sets its waiting bit first, by another locked instruction, and whoever reads the
// intent just before looks again after a slice.
func storeIntent(w *atomic.Uint64, v uint64) { *(*uint64)(unsafe.Pointer(w)) = v } // sync: intent
