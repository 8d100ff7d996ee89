package ring

import (
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// discarded is what a consumer remembers after Discard: the window of messages that
// were held then and may still be released.
type discarded struct {
	head   slotPos
	next   slotPos
	active bool
}

// Discard ends the receiving half after a forced close: it counts the full slots that
// were not handed out and moves its next position and the head to the tail. Messages
// still held stay valid in the hands of their user; releasing them does not move the
// head. Next returns ErrEnd from now on. The ring is sealed for good, so nobody
// writes over them.
//
// The counts are in the segment before the head moves: Discarded has the full slots and
// the taken ones, which the caller took out before, NotDelivered those whose owner may
// still commit. They are stored, not added, for a successor of a consumer killed in
// between counts the same slots again.
func (c *Consumer) Discard(taken uint64) uint64 {
	t := c.tailWord.Load() // sync: tail
	ahead := min(c.slotsFrom(c.next, c.slotOf(t)), c.slots)
	if !c.gone.active {
		c.gone = discarded{head: c.head, next: c.next, active: true}
	}
	var full, open uint64
	for i := range ahead {
		pos := c.next + slotPos(i)
		switch w := layout.Commit(c.cell(pos).commit().Load()); { // sync: commit
		case c.full(pos):
			full++
		case !w.SameLap(uint64(pos)&c.slotMask, c.lapShift) || w.Kind() == layout.SlotNone:
			open++
		}
	}
	c.window = 0
	c.next += slotPos(ahead)
	c.head = c.next
	c.arenaHead += arenaPos(c.unitsFrom(c.arenaHead, c.arenaOf(t)))
	c.remembered.pos = never
	if ahead > 0 || taken > 0 {
		c.ctl.Totals.Discarded.Store(taken + full)
		fault.Point("ring.discard.full")
		c.ctl.Totals.NotDelivered.Store(open)
		fault.Point("ring.discard.counted")
	}
	c.Publish()
	return full
}

// releaseGone releases a message that was held when the rest was discarded.
func (c *Consumer) releaseGone(pos uint64) bool {
	g := &c.gone
	if !g.active || pos-uint64(g.head) >= uint64(g.next-g.head) {
		return false
	}
	i := c.index(slotPos(pos))
	found := c.found[i]
	if found&heldNow == 0 {
		return false
	}
	c.found[i] = found &^ heldNow
	c.held--
	c.count(found)
	return true
}
