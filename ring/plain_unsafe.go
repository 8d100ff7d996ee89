//go:build amd64 && !race

package ring

// commitLater stores the commit word of a later slot of a batch, before the first
// one of that batch is stored.
//
// A plain store is enough here: this processor makes stores visible in program order, and
// the compiler moves none across the call (memmove) that writes the payload or the atomic
// store of the first word. So whoever sees this word sees the payload, and whoever sees
// the first word sees this one. A reader that looks before (Unread, Scrub) sees an aligned
// word whole or not at all.
//
// The intents stay atomic although the same could be said of them: it gains nothing that
// can be measured.
func (s cell) commitLater(w uint64) { *(*uint64)(s.base) = w } // sync: commit
