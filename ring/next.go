package ring

import (
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// Next hands out the next message in place, without copying, and passes aborted slots
// on its way. Otherwise it publishes the head and returns
//
//   - ErrEmpty: nothing is reserved behind what was received,
//   - ErrHole: the next slot is reserved and not committed; see Skip,
//   - ErrEnd: the ring is sealed and everything was received, though maybe not
//     released,
//   - a *CorruptError: the next slot holds what no sender can have written; the
//     consumer stays where it is.
//
// It allocates nothing, except for a *CorruptError.
func (c *Consumer) Next(it *Item) error {
	for range 2 * (c.slots + 1) { // at most every second round passes no slot
		if uint64(c.next-c.head) < c.window {
			s := c.cell(c.next)
			w := s.commit().Load() // sync: commit
			// One comparison checks lap tag, kind, reserved bits and length at once: any
			// wrong bit leaves more than a length behind.
			want := uint64(c.commitWord(c.next, layout.SlotInline, 0))
			if n := w ^ want; n <= uint64(c.inlineMax) {
				return c.accept(it, s, s.bytes(c.payloadOff, int(n)), held(n))
			}
			if c.current(w) {
				again, err := c.special(it, s, layout.Commit(w))
				if !again {
					return err
				}
				continue
			}
		}
		fault.Point("ring.next.missed")
		if err := c.nothing(); err != errAgain { //nolint:errorlint // our own, bare
			return err
		}
	}
	c.Publish()
	return ErrHole // senders that only abort kept us busy: the caller looks again
}

// current reports whether w is a commit word for the next slot.
func (c *Consumer) current(w uint64) bool {
	commit := layout.Commit(w)
	return commit.Kind() != layout.SlotNone &&
		commit.SameLap(uint64(c.next)&c.slotMask, c.lapShift)
}

// accept fills in it and takes the next slot into our hands. Its bytes are the
// sender's no longer, and nobody's but ours until the head passes the slot.
func (c *Consumer) accept(it *Item, s cell, payload []byte, found held) error {
	it.Bytes = payload
	it.Pos = uint64(c.next)
	it.Redelivered = c.next < c.redeliver
	it.SentNs, it.Sum = 0, 0
	if c.stamped {
		if err := c.unstamp(s, it); err != nil {
			return err
		}
	}
	c.found[c.index(c.next)] = heldNow | found
	c.next++
	c.held++
	return nil
}

// special deals with a commit word of the next slot that is not a sound inline
// message. It reports true if it passed an aborted slot.
func (c *Consumer) special(it *Item, s cell, w layout.Commit) (bool, error) {
	switch {
	case w.Reserved() != 0:
		return false, corrupt(layout.PoisonCommit, uint64(w), "reserved bits of a commit word")
	case w.Kind() == layout.SlotAborted:
		if w.Length() != 0 {
			return false, corrupt(layout.PoisonCommit, uint64(w), "aborted slot with a length")
		}
		c.pass()
		return true, nil
	case w.Kind() == layout.SlotInline:
		return false, corrupt(layout.PoisonCommit, uint64(w), "message longer than its slot")
	}
	ref := s.word(c.payloadOff).Load()
	start, end, err := c.checkReference(ref, w.Length())
	if err != nil {
		return false, err
	}
	payload := c.arenaBytes(uint64(start)&(c.units-1), int(w.Length()))
	field := held(uint64(end) & c.arenaMask)
	err = c.accept(it, s, payload, heldArena|field<<heldShift|held(w.Length()))
	if err == nil {
		c.arenaNext = end
	}
	return false, err
}

// checkReference checks a reference of the next slot against what may be in use: runs
// follow each other, none crosses the arena's end, and all lie within one lap of what
// is released. It returns the run's running positions.
func (c *Consumer) checkReference(ref uint64, length uint32) (start, end arenaPos, err error) {
	r := layout.Reference(ref)
	units := uint64(r.Units())
	start = c.arenaNext + arenaPos(c.unitsFrom(c.arenaNext, arenaPos(r.Pos())))
	end = start + arenaPos(units)
	switch {
	case c.units == 0:
		err = corrupt(layout.PoisonReference, ref, "reference into an arena that does not exist")
	case uint64(r.Pos()) > c.arenaMask:
		err = corrupt(layout.PoisonReference, ref, "arena position out of range")
	case units == 0 || units > c.units/2:
		err = corrupt(layout.PoisonReference, ref, "arena run of an impossible length")
	case uint64(length) > units*layout.ArenaUnit:
		err = corrupt(layout.PoisonReference, ref, "message longer than its arena run")
	case uint64(start)&(c.units-1)+units > c.units:
		err = corrupt(layout.PoisonReference, ref, "arena run across the arena's end")
	case uint64(end-c.arenaHead) > c.units:
		err = corrupt(layout.PoisonReference, ref, "arena run outside of what is reserved")
	}
	return start, end, err
}

// pass moves over an aborted slot. It does not say how much of the arena it had, so a
// tail read from now on is remembered.
func (c *Consumer) pass() {
	fault.Point("ring.pass.begin")
	if c.next == c.skipped {
		c.skipped = never
	} else {
		c.abortsSeen++
	}
	c.found[c.index(c.next)] = 0
	c.next++
	c.aborted = c.next
	if c.remembered.pos == never {
		// A tail that cannot be is reported by the next look at it.
		_ = c.remember()
	}
	c.advance()
	if c.mustPublish() {
		c.Publish() // as a release would: the caller may hold what Next gives it for long
	}
}

// nothing says why the next slot gives nothing: it looks at the tail. It returns
// errAgain if the slot was committed meanwhile.
func (c *Consumer) nothing() error {
	if c.gone.active {
		return ErrEnd
	}
	s := c.cell(c.next)
	w := s.commit().Load() // sync: commit
	if err := c.uncommitted(w); err != nil {
		if uint64(c.next-c.head) < c.window && c.current(w) {
			return errAgain
		}
		return err
	}
	fault.Point("ring.next.uncommitted")
	t, ahead, err := c.lookAtTail()
	if err != nil {
		return err
	}
	if ahead == 0 {
		if err := c.atTail(t); err != nil {
			return err
		}
		c.Publish()
		if t&sealBit != 0 {
			return ErrEnd
		}
		return ErrEmpty
	}
	fault.Point("ring.next.tail")
	if s.commit().Load() != w { // sync: commit
		return errAgain
	}
	c.Publish()
	return ErrHole
}

// uncommitted returns an error unless w is what the next slot holds before it is
// committed: nothing, or what it held one lap ago.
func (c *Consumer) uncommitted(w uint64) error {
	commit := layout.Commit(w)
	before := uint64(c.next) - c.slots
	switch {
	case commit.Kind() == layout.SlotNone && commit.Length() == 0 && commit.Reserved() == 0:
		return nil
	case commit.Kind() != layout.SlotNone && commit.Reserved() == 0 &&
		commit.SameLap(before&c.slotMask, c.lapShift):
		return nil
	}
	return corrupt(layout.PoisonCommit, w, "commit word of neither this lap nor the one before")
}

// lookAtTail loads the tail and returns it with the number of slots from next to it.
func (c *Consumer) lookAtTail() (t, ahead uint64, err error) {
	t = c.tailWord.Load() // sync: tail
	ahead = c.slotsFrom(c.next, c.slotOf(t))
	if ahead+uint64(c.next-c.published) > c.slots {
		return t, 0, corrupt(layout.PoisonTail, t, "tail is not within one lap of the head")
	}
	return t, ahead, nil
}

// Ready reports whether the next slot holds something, by one load. It does not check
// what.
func (c *Consumer) Ready() bool {
	return c.current(c.cell(c.next).commit().Load()) // sync: commit
}

// LookAhead is how many slots behind its next one a consumer may look at. As many behind the
// tail are never spare: whoever looks there in a sealed ring must find memory.
const LookAhead = 32

// ReadyAt reports whether the slot n behind the next one holds something, by one load. n is
// at most LookAhead, and less than the slots of the ring.
func (c *Consumer) ReadyAt(n uint64) bool {
	at := c.next + slotPos(n)
	w := layout.Commit(c.cell(at).commit().Load()) // sync: commit
	return w.Kind() != layout.SlotNone && w.SameLap(uint64(at)&c.slotMask, c.lapShift)
}

// Held returns how many messages are handed out and not released.
func (c *Consumer) Held() int { return c.held }

// NextPos returns the position of the next slot that Next looks at.
func (c *Consumer) NextPos() uint64 { return uint64(c.next) }

// Len returns how many slots are reserved or full behind what was received.
func (c *Consumer) Len() int {
	_, ahead, err := c.lookAtTail()
	if err != nil {
		return 0
	}
	return int(ahead)
}

// Redelivering reports whether messages that may have been delivered before are not
// released yet.
func (c *Consumer) Redelivering() bool { return c.head < c.redeliver }
