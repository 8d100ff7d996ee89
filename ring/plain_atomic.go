//go:build !amd64 || race

package ring

// commitLater stores the commit word of a later slot of a batch, before the first one of
// that batch is stored. It is atomic where the processor may reorder stores, and where the
// race detector looks.
func (s cell) commitLater(w uint64) { s.commit().Store(w) } // sync: commit
