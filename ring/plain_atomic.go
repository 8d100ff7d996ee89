//go:build !amd64 || race

package ring

import "sync/atomic"

// commitLater stores the commit word of a later slot of a batch, before the first one of
// that batch is stored. It is atomic where the processor may reorder stores, and where the
// race detector looks.
func (s cell) commitLater(w uint64) { s.commit().Store(w) } // sync: commit

// storeIntent stores an intent.
func storeIntent(w *atomic.Uint64, v uint64) { w.Store(v) } // sync: intent
