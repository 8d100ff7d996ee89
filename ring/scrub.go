package ring

import (
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// Scrub makes damaged slots passable, as part of a recovery. It looks at every slot
// from the next one to the tail, and aborts those whose commit word, reference or
// checksum cannot be; it returns how many. A damaged slot that somebody's intent
// covers may be being filled, so it is only marked uncommitted and stays its owner's.
// The caller holds the receiver's place and has settled the dead.
func (c *Consumer) Scrub() (int, error) {
	if c.gone.active {
		return 0, nil
	}
	_, ahead, err := c.lookAtTail()
	if err != nil {
		return 0, err
	}
	damaged := 0
	probe := *c // walks ahead; its found is only compared, never written
	for range ahead {
		if c.scrubSlot(&probe) {
			damaged++
		}
		probe.next++
	}
	if damaged > 0 {
		c.ctl.Totals.Corrupt.Add(uint64(damaged))
	}
	return damaged, nil
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
		it.Bytes = c.arenaBytes(uint64(start)&(c.units-1), int(commit.Length()))
		if c.unstamp(s, &it) == nil {
			c.arenaNext = end
			return true
		}
		return false
	case layout.SlotNone:
	}
	return c.unstamp(s, &it) == nil
}
