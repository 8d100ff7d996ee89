//go:build !race

package ring

// commitLater stores the commit word of a later slot of a batch, before the first
// one of that batch is stored.
//
// A plain store is enough. A later slot's word is used as a commit in two cases
// only. Either the consumer has loaded the first word of the batch, which was stored
// atomically after this store: whoever loads that word also sees this one. Or the
// owner was killed and the consumer has aborted the first slot: that takes the
// kernel's word that the owner's lock is free, which is given after the owner's last
// store. Before that, a scan (Unread, Check) may load the word at any time and sees
// it whole or not at all, since it is an aligned 8-byte store. The payload is
// written before it by a call (memmove) that the compiler cannot move a store
// across.
func (s cell) commitLater(w uint64) { *(*uint64)(s.base) = w }
