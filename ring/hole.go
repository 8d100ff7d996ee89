package ring

import (
	"shmring/futex"
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// Skip settles a hole: a slot in front that was reserved and not committed. If a
// living participant's intent covers it, it returns that place: the slot may be its,
// and a living owner is never robbed, however slow. Otherwise the owner is dead, and
// Skip aborts the slot. It returns -1 if the slot is settled, by us or by a commit
// meanwhile, or was no hole: call Next again.
//
// Why the owner is dead then: an owner stores its intent before the CAS that makes it
// owner and keeps it until it has committed, and nobody can become owner of a slot
// below the tail. So an owner that lives and has not committed shows an intent over
// the slot from before the tail was read here until after the intents were.
//
// alive reports whether the place's lock is held; it is asked only about places whose
// intent covers the slot or cannot be. A *CorruptError reports an impossible word.
func (c *Consumer) Skip(alive func(place int) bool) (owner int, err error) {
	if c.gone.active || uint64(c.next-c.head) >= c.window {
		return -1, nil
	}
	s := c.cell(c.next)
	_, ahead, err := c.lookAtTail()
	if err != nil || ahead == 0 {
		return -1, err
	}
	fault.Point("ring.skip.looked")
	if c.current(s.commit().Load()) { // sync: commit
		return -1, nil
	}
	fault.Point("ring.skip.tail")
	owner, err = c.owner(alive)
	if owner >= 0 || err != nil {
		return owner, err
	}
	fault.Point("ring.skip.scanned")
	w := s.commit().Load() // sync: commit
	if c.current(w) {
		return -1, nil
	}
	if err := c.uncommitted(w); err != nil {
		return -1, err
	}
	fault.Point("ring.skip.checked")
	dead := uint64(c.commitWord(c.next, layout.SlotAborted, 0))
	if s.commit().CompareAndSwap(w, dead) { // sync: commit
		c.skipped = c.next
		c.ctl.Totals.Holes.Add(1)
		fault.Point("ring.skip.aborted")
		if futex.Signal(&c.ctl.Data, 1) {
			c.wakes++
		}
	}
	return -1, nil
}

// owner returns the first living place whose intent covers the next slot, or -1.
func (c *Consumer) owner(alive func(place int) bool) (int, error) {
	for place := range c.rows {
		fault.Point("ring.skip.intent")
		intent := c.rows[place].Intent.Load() // sync: intent
		if intent == 0 {
			continue
		}
		_, n, ok := IntentRange(intent)
		sound := ok && n <= c.slots
		if sound && !Covers(intent, uint64(c.next)) || !alive(place) {
			continue
		}
		if !sound {
			return -1, corrupt(layout.PoisonIntent, intent, "intent of an impossible length")
		}
		return place, nil
	}
	return -1, nil
}

// Abandoned counts the slots that the dead have reserved and not committed: a receiver
// that comes to them skips them. It changes nothing and may run at any time, by anybody; while
// senders are at it, it is a snapshot.
func (r *Ring) Abandoned(alive func(place int) bool) uint64 {
	t, h, _ := r.snapshot()
	alive = askedOnce(alive)
	n := uint64(0)
	for i := range min(r.slotsFrom(r.slotOf(h), r.slotOf(t)), r.slots) {
		pos := r.slotOf(h) + slotPos(i)
		// The second look is that of Skip: its owner may have committed meanwhile. A slot that
		// the head has passed since may have been given back, and then says nothing.
		if !r.settled(pos) && !r.intended(pos, alive) && !r.settled(pos) && !r.passed(h, i) {
			n++
		}
	}
	return n
}

// passed reports whether the head has moved beyond the slot that was n slots after h.
func (r *Ring) passed(h, n uint64) bool {
	return r.slotsFrom(r.slotOf(h), r.slotOf(r.head.Load())) > n // sync: head
}

// askedOnce remembers the answers, so that hostile intents over everything do not make one
// question of each slot. Nobody becomes an owner below a tail that was read before.
func askedOnce(alive func(place int) bool) func(place int) bool {
	known := make(map[int]bool)
	return func(place int) bool {
		lives, asked := known[place]
		if !asked {
			lives = alive(place)
			known[place] = lives
		}
		return lives
	}
}

// settled reports whether the slot at pos was committed or aborted.
func (s *shape) settled(pos slotPos) bool {
	w := layout.Commit(s.cell(pos).commit().Load()) // sync: commit
	return w.Kind() != layout.SlotNone && w.SameLap(uint64(pos)&s.slotMask, s.lapShift)
}

// intended reports whether the intent of somebody living covers the slot at pos.
func (r *Ring) intended(pos slotPos, alive func(place int) bool) bool {
	for place := range r.rows {
		if Covers(r.rows[place].Intent.Load(), uint64(pos)) && alive(place) { // sync: intent
			return true
		}
	}
	return false
}
