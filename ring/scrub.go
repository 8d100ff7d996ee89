package ring

import (
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// Scrub makes a damaged ring passable, as part of a recovery. It looks at every slot from
// the next one to the tail, and aborts those whose commit word, reference or checksum
// cannot be. A damaged slot that somebody's intent covers may be being filled, so it is
// only marked uncommitted and stays its owner's. Free slots and intents are looked at as
// well. It returns how many words were damaged. The ring is sealed, and the caller holds
// the receiver's place and has settled the dead.
func (c *Consumer) Scrub() (int, error) {
	if c.gone.active {
		return 0, nil
	}
	_, ahead, err := c.lookAtTail()
	if err != nil {
		return 0, err
	}
	damaged := c.scrubIntents(ahead)
	probe := *c // walks ahead; its found is only compared, never written
	for range ahead {
		if c.scrubSlot(&probe) {
			damaged++
		}
		probe.next++
	}
	for probe.next != c.head+slotPos(c.slots) {
		if c.scrubFree(&probe) {
			damaged++
		}
		probe.next++
	}
	if damaged > 0 {
		fault.Point("ring.scrub.repaired")
		c.ctl.Totals.Corrupt.Add(uint64(damaged))
	}
	return damaged, nil
}

// scrubIntents replaces intents that cannot be. Nobody knows what a living sender's meant:
// it becomes one over all that is reserved, which its next send replaces.
func (c *Consumer) scrubIntents(ahead uint64) int {
	damaged := 0
	for place := range c.rows {
		intent := &c.rows[place].Intent
		w := intent.Load() // sync: intent
		_, n, ok := IntentRange(w)
		if w == 0 || ok && n <= c.slots {
			continue
		}
		repaired := uint64(0)
		if ahead > 0 && place != layout.PlaceReceiver {
			repaired = IntentOf(uint64(c.next), int(ahead))
		}
		fault.Point("ring.scrub.intent")
		if intent.CompareAndSwap(w, repaired) { // sync: intent
			damaged++
		}
	}
	return damaged
}

// scrubFree clears a damaged word of the slot at probe.next, which nobody has reserved and
// nobody can, since the ring is sealed.
func (c *Consumer) scrubFree(probe *Consumer) bool {
	word := probe.cell(probe.next).commit()
	w := word.Load() // sync: commit
	if probe.uncommitted(w) == nil {
		return false
	}
	fault.Point("ring.scrub.free")
	return word.CompareAndSwap(w, 0) // sync: commit
}

// scrubSlot looks at the slot at probe.next and reports whether it was damaged.
func (c *Consumer) scrubSlot(probe *Consumer) bool {
	s := probe.cell(probe.next)
	w := s.commit().Load() // sync: commit
	if probe.sound(s, w) {
		return false
	}
	repaired := uint64(c.commitWord(probe.next, layout.SlotAborted, 0))
	for place := range c.rows {
		if Covers(c.rows[place].Intent.Load(), uint64(probe.next)) { // sync: intent
			repaired = 0
		}
	}
	fault.Point("ring.scrub.damaged")
	// If the word changed, its owner has just committed: there is no damage any more.
	return s.commit().CompareAndSwap(w, repaired) // sync: commit
}

// sound reports whether w is a possible commit word of the slot at c.next, and what
// it names is whole. It moves c.arenaNext over a sound reference.
func (c *Consumer) sound(s cell, w uint64) bool {
	commit := layout.Commit(w)
	if !c.current(w) {
		return c.uncommitted(w) == nil
	}
	if commit.Reserved() != 0 {
		return false
	}
	it := Item{}
	switch commit.Kind() {
	case layout.SlotAborted:
		return commit.Length() == 0
	case layout.SlotInline:
		if int(commit.Length()) > c.inlineMax {
			return false
		}
		it.Bytes = s.bytes(c.payloadOff, int(commit.Length()))
	case layout.SlotArena:
		start, end, err := c.checkReference(s.word(c.payloadOff).Load(), commit.Length())
		if err != nil {
			return false
		}
		// Runs that are honest do not overlap. Those of a hostile peer may, all of them: then
		// no more than twice the arena is read.
		if c.checksumOff != 0 && c.wasted > c.units*layout.ArenaUnit {
			return false
		}
		it.Bytes = c.arenaBytes(uint64(start)&(c.units-1), int(commit.Length()))
		if c.unstamp(s, &it) == nil {
			c.arenaNext = end
			return true
		}
		c.wasted += uint64(commit.Length())
		return false
	case layout.SlotNone:
	}
	return c.unstamp(s, &it) == nil
}
