package ring

import "shmring/internal/layout"

// maxLooks bounds how often tail and head are loaded to get both from one time.
const maxLooks = 64

// snapshot returns a tail and a head of one time: the tail, read again after the
// head, was unchanged. It reports false if senders kept moving it.
func (r *Ring) snapshot() (t, h uint64, stable bool) {
	for range maxLooks {
		t = r.tail.Load()       // sync: tail
		h = r.head.Load()       // sync: head
		if t == r.tail.Load() { // sync: tail
			return t, h, true
		}
	}
	return t, h, false
}

// Check returns a *CorruptError if tail and head contradict each other, which in a
// healthy ring they never do. It may run at any time, by anybody. Slots are checked
// by Scrub, and by Next as it meets them.
func (r *Ring) Check() error {
	t, h, stable := r.snapshot()
	if !stable {
		return nil // two loads of different times prove nothing
	}
	return r.plausible(t, h)
}

// Depth returns how many slots are reserved or full above the published head, or a
// *CorruptError if that cannot be. While senders are at it, it is a snapshot.
func (r *Ring) Depth() (uint64, error) {
	t, h, stable := r.snapshot()
	depth := r.slotsFrom(r.slotOf(h), r.slotOf(t))
	if !stable {
		return min(depth, r.slots), nil
	}
	return depth, r.plausible(t, h)
}

// ArenaUsed returns how many bytes of the arena are reserved or full above the
// published head. It is a snapshot.
func (r *Ring) ArenaUsed() uint64 {
	t, h, _ := r.snapshot()
	return min(r.unitsFrom(r.arenaOf(h), r.arenaOf(t)), r.units) * layout.ArenaUnit
}

// Unread returns how many messages are committed and not released, by looking at
// every slot from the published head to the tail.
func (r *Ring) Unread() (uint64, error) {
	t, h, stable := r.snapshot()
	n := r.slotsFrom(r.slotOf(h), r.slotOf(t))
	if stable {
		if err := r.plausible(t, h); err != nil {
			return 0, err
		}
	}
	var full uint64
	for i := range min(n, r.slots) {
		if r.full(r.slotOf(h) + slotPos(i)) {
			full++
		}
	}
	return full, nil
}

// full reports whether the slot at pos holds a message.
func (s *shape) full(pos slotPos) bool {
	w := layout.Commit(s.cell(pos).commit().Load()) // sync: commit
	return w.SameLap(uint64(pos)&s.slotMask, s.lapShift) &&
		(w.Kind() == layout.SlotInline || w.Kind() == layout.SlotArena)
}
