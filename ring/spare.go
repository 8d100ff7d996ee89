package ring

import "shmring/internal/layout"

// An Extent is a piece of a region: bytes from Off to Off+Len.
type Extent struct{ Off, Len uint64 }

// Spare says which memory of a sealed ring nobody uses any more, nor will before the seal is
// taken back. Either part may wrap around its region; what is not there has length zero.
type Spare struct {
	Slots [2]Extent // offsets from the first slot
	Arena [2]Extent // offsets from the first byte of the arena
}

// Spare returns what lies outside of head and tail. It is nothing if the ring is not sealed,
// and a *CorruptError if head and tail cannot be. Only the holder of the control lock may use
// it to give memory back, for the seal may be taken back any time without; and not after a
// forced close, when the head has passed what may still be read.
//
// The slot at the tail is not spare, a receiver that waits looks at it; nor are the LookAhead
// slots behind that one, where it may look for how far the senders are.
func (r *Ring) Spare() (Spare, error) {
	t := r.tail.Load() // sync: tail
	if t&sealBit == 0 {
		return Spare{}, nil
	}
	h := r.head.Load() // sync: head
	if err := r.plausible(t, h); err != nil {
		return Spare{}, err
	}
	var s Spare
	if used := r.slotsFrom(r.slotOf(h), r.slotOf(t)) + 1 + LookAhead; used < r.slots {
		size := uint64(1) << (r.sizeShift & 63)
		first := uint64(r.index(r.slotOf(t) + 1 + LookAhead))
		s.Slots = wrapped(first, r.slots-used, r.slots, size)
	}
	if r.units > 0 {
		used := r.unitsFrom(r.arenaOf(h), r.arenaOf(t))
		first := uint64(r.arenaOf(t)) & (r.units - 1)
		s.Arena = wrapped(first, r.units-used, r.units, layout.ArenaUnit)
	}
	return s, nil
}

// wrapped returns the extents of n things from first on, of all things of a region.
func wrapped(first, n, all, size uint64) [2]Extent {
	straight := min(n, all-first)
	return [2]Extent{
		{Off: first * size, Len: straight * size},
		{Off: 0, Len: (n - straight) * size},
	}
}
