package ring

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
func (c *Consumer) Discard() uint64 {
	t := c.tailWord.Load() // sync: tail
	ahead := c.slotsFrom(c.next, c.slotOf(t))
	if !c.gone.active {
		c.gone = discarded{head: c.head, next: c.next, active: true}
	}
	var full uint64
	for i := range min(ahead, c.slots) {
		if c.shape.full(c.next + slotPos(i)) {
			full++
		}
	}
	c.window = 0
	c.next += slotPos(ahead)
	c.head = c.next
	c.arenaHead += arenaPos(c.unitsFrom(c.arenaHead, c.arenaOf(t)))
	c.remembered.pos = never
	c.ctl.Totals.Discarded.Add(full)
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
