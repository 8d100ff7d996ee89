package ring

import (
	"time"

	"shmring/futex"
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// counters are what the consumer has counted and not yet added to the shared rows.
type counters struct {
	messages   uint64
	bytes      uint64
	abortsSeen uint64
	wakes      uint64
	woken      uint64 // part of wakes that is in the shared row
}

// Release gives the slot of a message back, in any order. Its bytes must not be used
// any more. It returns false if the message is not held, as after a first Release.
// The head moves over everything released in front; it is published late, but before
// anybody can be kept waiting by that (see mustPublish).
func (c *Consumer) Release(pos uint64) bool {
	if pos-uint64(c.head) >= uint64(c.next-c.head) {
		return c.releaseGone(pos)
	}
	i := c.index(slotPos(pos))
	found := c.found[i]
	if found&heldNow == 0 {
		return false
	}
	c.found[i] = found &^ heldNow
	c.held--
	if slotPos(pos) == c.head {
		c.advance()
		if c.mustPublish() {
			c.Publish()
		}
	}
	c.count(found)
	return true
}

// ReleaseLater is Release that leaves the head where it is. SettleReleases must follow.
func (c *Consumer) ReleaseLater(pos uint64) bool {
	if pos-uint64(c.head) >= uint64(c.next-c.head) {
		return c.releaseGone(pos)
	}
	i := c.index(slotPos(pos))
	found := c.found[i]
	if found&heldNow == 0 {
		return false
	}
	c.found[i] = found &^ heldNow
	c.held--
	c.messages++
	c.bytes += uint64(found & heldLength)
	return true
}

// ReleaseFront is ReleaseLater for n messages that follow each other from pos on, and moves the
// head over them at once, if it stands at the first. It returns how many it gave back: it stops
// at one that is not held, or lies in the arena, and leaves everything to ReleaseLater where a
// remembered position is near. SettleReleases must follow.
func (c *Consumer) ReleaseFront(pos uint64, n int) int {
	at := slotPos(pos)
	if at != c.head || uint64(n) > uint64(c.next-at) || c.remembered.pos-at <= slotPos(n) {
		return 0
	}
	bytes, k := uint64(0), 0
	for ; k < n; k++ {
		found := &c.found[c.index(at+slotPos(k))]
		if *found&(heldNow|heldArena) != heldNow {
			break
		}
		*found &^= heldNow
		bytes += uint64(*found & heldLength)
	}
	c.head += slotPos(k)
	c.held -= k
	c.messages += uint64(k)
	c.bytes += bytes
	return k
}

// SettleReleases moves the head over everything released in front, once for any number of
// ReleaseLater, and publishes it as Release does.
func (c *Consumer) SettleReleases() {
	c.advance()
	if c.mustPublish() {
		c.Publish()
	}
	if c.messages >= countEvery {
		c.flushCounters()
	}
}

// Spend is Release for a message that must never be delivered again, and publishes that
// before it returns. Behind a message that is still held the head cannot pass the slot:
// the slot is aborted then, and a successor passes it.
func (c *Consumer) Spend(pos uint64) bool {
	if !c.Release(pos) {
		return false
	}
	if at := slotPos(pos); uint64(at-c.head) < uint64(c.next-c.head) {
		fault.Point("ring.spend.behind")
		spent := uint64(c.commitWord(at, layout.SlotAborted, 0))
		c.cell(at).commit().Store(spent) // sync: commit
		fault.Point("ring.spend.aborted")
	}
	c.Publish()
	return true
}

func (c *Consumer) count(found held) {
	c.messages++
	c.bytes += uint64(found & heldLength)
	if c.messages >= countEvery {
		c.flushCounters()
	}
}

// advance moves the head over everything that is not held any more, slot by slot, so
// that it meets the remembered position.
func (c *Consumer) advance() {
	for c.head != c.next {
		found := c.found[c.index(c.head)]
		if found&heldNow != 0 {
			return
		}
		if found&heldArena != 0 {
			end := arenaPos(found >> heldShift & heldEnd)
			c.arenaHead += arenaPos(c.unitsFrom(c.arenaHead, end))
		}
		c.head++
		if c.head == c.remembered.pos {
			c.freeRemembered()
		}
	}
}

// freeRemembered runs when the head reaches the remembered position: whatever the
// aborted slots before it had in the arena is free. If more were passed since, from
// that position on, a newer tail is remembered for them.
func (c *Consumer) freeRemembered() {
	c.freeTo(c.remembered.arena)
	c.remembered.pos = never
	if c.aborted > c.head {
		_ = c.remember() // an impossible tail is reported by Next
	}
}

// freeTo frees the arena before end.
func (c *Consumer) freeTo(end arenaPos) {
	c.arenaHead = max(c.arenaHead, end)
	c.arenaNext = max(c.arenaNext, end)
}

// remember reads the tail and keeps it, or uses it at once if nothing lies before it.
func (c *Consumer) remember() error {
	if c.units == 0 {
		return nil
	}
	t, ahead, err := c.lookAtTail()
	if err != nil {
		return err
	}
	end, err := c.arenaAt(t)
	if err != nil {
		return err
	}
	if pos := c.next + slotPos(ahead); pos != c.head {
		c.remembered = mark{pos: pos, arena: end}
		return nil
	}
	c.freeTo(end)
	c.remembered.pos = never
	return nil
}

// arenaAt returns the running arena position of a tail word.
func (c *Consumer) arenaAt(t uint64) (arenaPos, error) {
	end := c.arenaHead + arenaPos(c.unitsFrom(c.arenaHead, c.arenaOf(t)))
	if uint64(end-c.pubArena) > c.units || end < c.arenaNext {
		return 0, corrupt(layout.PoisonTail, t, "arena tail is not within one lap of the head")
	}
	return end, nil
}

// atTail runs when next is at the tail t. If nothing is held either, the head is
// there too and the whole arena is free.
func (c *Consumer) atTail(t uint64) error {
	if c.head != c.next || c.units == 0 {
		return nil
	}
	end, err := c.arenaAt(t)
	if err != nil {
		return err
	}
	c.freeTo(end)
	c.remembered.pos = never
	return nil
}

// mustPublish reports whether the head may not stay unpublished: too much is, or a
// sender or a drain waits, or nothing is held and nothing is there to receive, so
// that no later call might come for long.
func (c *Consumer) mustPublish() bool {
	return uint64(c.head-c.published) >= c.lazySlots ||
		uint64(c.arenaHead-c.pubArena) >= c.lazyUnits ||
		c.held == 0 && !c.Ready() ||
		futex.Waiting(&c.ctl.Space, len(c.rows))
}

// Publish stores the head for the senders, and wakes those that wait for room. The
// slots before it are theirs from then on.
func (c *Consumer) Publish() {
	if c.head == c.published && c.arenaHead == c.pubArena {
		return
	}
	c.published, c.pubArena = c.head, c.arenaHead
	fault.Point("ring.publish.begin")
	c.headWord.Store(c.pack(c.head, c.arenaHead)) // sync: head
	fault.Point("ring.publish.stored")
	if futex.Signal(&c.ctl.Space, len(c.rows)) {
		c.wakes++
	}
}

// Flush publishes the head and brings the shared counters up to date.
func (c *Consumer) Flush() {
	c.Publish()
	c.flushCounters()
}

func (c *Consumer) flushCounters() {
	row, totals := &c.rows[layout.PlaceReceiver], &c.ctl.Totals
	if c.messages != 0 {
		totals.Received.Add(c.messages)
		totals.ReceivedBytes.Add(c.bytes)
		row.Messages.Add(c.messages)
		row.Bytes.Add(c.bytes)
		row.ProgressNs.Store(time.Now().UnixNano())
		c.messages, c.bytes = 0, 0
	}
	if c.abortsSeen != 0 {
		totals.Aborted.Add(c.abortsSeen)
		c.abortsSeen = 0
	}
	if c.wakes != c.woken {
		row.Wakes.Add(c.wakes - c.woken)
		c.woken = c.wakes
	}
}
