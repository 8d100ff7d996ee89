package ring

import "shmring/internal/fault"

// Seal makes the ring refuse every later reservation. The seal is a bit of the tail
// word, so a sender's CAS from an unsealed tail fails from this instant on: what was
// reserved before is part of the ring, and nothing else ever will be. It reports
// whether it changed anything. The caller holds the control lock and wakes everybody
// afterwards.
func (r *Ring) Seal() bool {
	if r.Sealed() {
		return false
	}
	fault.Point("ring.seal.load")
	// One atomic step, not a CAS loop: nobody else changes the bit while we hold the
	// lock, and no traffic on the word can delay us.
	r.tail.Or(sealBit) // sync: tail
	return true
}

// Unseal lets the ring accept messages again. It reports whether it changed
// anything. The caller holds the control lock.
func (r *Ring) Unseal() bool {
	if !r.Sealed() {
		return false
	}
	fault.Point("ring.unseal.load")
	r.tail.And(^uint64(sealBit)) // sync: tail
	return true
}

// Sealed reports whether the ring refuses reservations.
func (r *Ring) Sealed() bool { return r.tail.Load()&sealBit != 0 } // sync: tail
