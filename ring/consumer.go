package ring

import (
	"math"
	"sync/atomic"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// An Item is a message in place.
type Item struct {
	Bytes       []byte // payload in the segment, valid until its Release
	Pos         uint64 // running position, for Release
	SentNs      int64  // Unix nanoseconds at which it was sent; with timestamps only
	Sum         uint64 // xxhash64 of Bytes, verified; with checksums only
	Redelivered bool   // a receiver that died may have been given it
}

// Limits of what may stay unpublished: maxLazy releases, and one lazyShare of the
// slots or of the arena.
const (
	maxLazy   = 32
	lazyShare = 8
)

// never is a position that no head reaches.
const never = slotPos(math.MaxUint64)

// A Consumer is the receiving half. It is not for concurrent use, except that Ready
// may run beside everything but Next and Discard. Whoever uses it holds the lock of
// the receiver's place, which makes it the only one to move the head and to abort
// slots of others.
//
// Positions are running 64-bit ones:
//
//	published ≤ head (all before it is released) ≤ next (all before it was received) ≤ tail
//
// The arena has the same: pubArena ≤ arenaHead ≤ arenaNext ≤ tail's.
type Consumer struct {
	_ [layout.Line]byte // nobody else's words on our lines
	shape
	next   slotPos // next slot to look at
	head   slotPos
	window uint64 // slots that may lie from head to next: all of them, none once discarded
	held   int    // messages handed out and not released
	found  []held // what was found in each slot, by slotIndex

	published  slotPos
	pubArena   arenaPos
	arenaHead  arenaPos
	arenaNext  arenaPos
	lazySlots  uint64
	lazyUnits  uint64
	redeliver  slotPos // messages before it may come for the second time
	remembered mark    // a tail read after an aborted slot was passed
	aborted    slotPos // end of the last aborted slot that was passed
	skipped    slotPos // slot that Skip aborted last

	gone   discarded
	wasted uint64 // bytes of damaged messages that a scrub has read

	tailWord *atomic.Uint64
	headWord *atomic.Uint64
	ctl      *layout.Control
	rows     []layout.Participant

	counters
	_ [layout.Line]byte
}

// mark is a remembered tail: when the head reaches pos, everything in the arena
// before arena is free.
type mark struct {
	pos   slotPos
	arena arenaPos
}

// held says what a received slot holds, packed:
//
//	63     62      61    28 27       0
//	[ held ][ arena ][ end  ][ length ]
//
// End is the low bits of the arena position after the message.
type held uint64

const (
	heldNow    held = 1 << 63
	heldArena  held = 1 << 62
	heldShift       = 28
	heldLength held = 1<<heldShift - 1
	heldEnd         = 1<<34 - 1
)

// NewConsumer returns the receiving half, which starts at the published head. It is
// given the tail word at which the last receiver was found dead, or zero: messages
// before it are marked Redelivered. A *CorruptError says that head and tail cannot
// be.
func (r *Ring) NewConsumer(redeliver uint64) (*Consumer, error) {
	h := r.head.Load() // sync: head
	fault.Point("ring.consumer.head")
	t := r.tail.Load() // sync: tail
	if err := r.plausible(t, h); err != nil {
		return nil, err
	}
	c := &Consumer{
		shape: r.shape, window: r.slots, found: make([]held, r.slots),
		tailWord: r.tail, headWord: r.head, ctl: r.ctl, rows: r.rows,
		lazySlots: max(1, min(maxLazy, r.slots/lazyShare)),
		lazyUnits: max(1, r.units/lazyShare),
		skipped:   never,
	}
	c.head, c.arenaHead = r.slotOf(h), r.arenaOf(h)
	c.next, c.arenaNext = c.head, c.arenaHead
	c.published, c.pubArena = c.head, c.arenaHead
	c.redeliver = c.head
	if n := r.slotsFrom(c.head, r.slotOf(redeliver)); redeliver != 0 && n <= r.slots {
		c.redeliver += slotPos(n)
	}
	// Slots before the head may have been aborted without anybody to remember their
	// arena room, so a tail is remembered from the start.
	c.remembered.pos = never
	return c, c.remember()
}
