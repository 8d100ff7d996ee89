package ring

import (
	"errors"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"shmring/internal/layout"
)

// ErrTaken is returned by Peek for a slot that the head has passed.
var ErrTaken = errors.New("ring: taken meanwhile")

// A Glance is what one slot held when Peek looked at it: a copy.
type Glance struct {
	Word   layout.Commit // the commit word; of a hole, what stood there before
	Bytes  []byte        // the payload, or nil
	SentNs int64         // Unix nanoseconds at which it was sent; with timestamps only
}

// Peek copies the message at a slot position, as Head and Tail count, with at most so many
// bytes of its payload. It takes nothing and stores nothing: the mapping may be read-only,
// and any number of goroutines may peek beside all others. What it returns without an error
// was whole and in the ring at one instant: a slot and its arena run are not written again
// until the head has passed the slot, and neither the head nor the commit word had moved
// when the copy was done. All loads are atomic, so none of the copy is from after those two.
//
// ErrEmpty: nothing was reserved at that position. ErrHole: it is reserved and not
// committed. ErrTaken: the head has passed it, before or during the copy. A *CorruptError:
// it holds what no sender can have written.
func (r *Ring) Peek(pos uint64, most int) (Glance, error) {
	h, t, still := r.both()
	if !still {
		return Glance{}, ErrTaken
	}
	if err := r.plausible(t, h); err != nil {
		return Glance{}, err
	}
	ahead := r.slotsFrom(r.slotOf(h), slotPos(pos))
	switch {
	case r.slotsFrom(slotPos(pos), r.slotOf(h))-1 < 1<<(bits.Len64(r.slotMask)-1):
		return Glance{}, ErrTaken // it is at most half the count behind the head
	case ahead >= r.slotsFrom(r.slotOf(h), r.slotOf(t)):
		return Glance{}, ErrEmpty
	}
	s := r.cell(slotPos(pos))
	g := Glance{Word: layout.Commit(s.commit().Load())} // sync: commit
	err := ErrHole
	if g.Word.Kind() != layout.SlotNone && g.Word.SameLap(pos&r.slotMask, r.lapShift) {
		err = r.copyMessage(s, &g, most)
	}
	same := layout.Commit(s.commit().Load()) == g.Word // sync: commit
	now := r.head.Load()                               // sync: head
	if r.slotsFrom(r.slotOf(now), slotPos(pos)) > ahead || !same && !errors.Is(err, ErrHole) {
		return Glance{}, ErrTaken
	}
	return g, err
}

// both returns a head and a tail that were there at one time: the head had not moved when the
// tail was read. It gives up after some tries, since who only looks may be slower than all.
func (r *Ring) both() (head, tail uint64, still bool) {
	const tries = 64
	for range tries {
		head = r.head.Load()       // sync: head
		tail = r.tail.Load()       // sync: tail
		if r.head.Load() == head { // sync: head
			return head, tail, true
		}
	}
	return 0, 0, false
}

// copyMessage fills in g. What it copies counts only if the slot has not moved afterwards,
// and so does what it finds wrong.
func (r *Ring) copyMessage(s cell, g *Glance, most int) error {
	w := g.Word
	length := int(w.Length())
	var payload []byte
	switch {
	case w.Reserved() != 0:
		return corrupt(layout.PoisonCommit, uint64(w), "reserved bits of a commit word")
	case w.Kind() == layout.SlotAborted:
		return nil
	case w.Kind() == layout.SlotInline && length > r.inlineMax:
		return corrupt(layout.PoisonCommit, uint64(w), "message longer than its slot")
	case w.Kind() == layout.SlotInline:
		payload = s.bytes(r.payloadOff, wholeWords(length))
	default:
		ref := s.word(r.payloadOff).Load()
		start, units := uint64(layout.Reference(ref).Pos()), uint64(layout.Reference(ref).Units())
		switch {
		case r.units == 0 || start > r.arenaMask || units == 0 || units > r.units/2,
			start&(r.units-1)+units > r.units, uint64(length) > units*layout.ArenaUnit:
			return corrupt(layout.PoisonReference, ref, "arena run that cannot be")
		}
		payload = r.arenaBytes(start&(r.units-1), wholeWords(length))
	}
	if r.timestampOff != 0 {
		g.SentNs = int64(s.word(r.timestampOff).Load())
	}
	if r.checksumOff != 0 {
		sum := s.word(r.checksumOff).Load()
		g.Bytes = loadBytes(payload)[:length]
		if xxhash.Sum64(g.Bytes) != sum {
			return corrupt(layout.PoisonChecksum, sum, "payload does not match its checksum")
		}
		g.Bytes = g.Bytes[:min(length, most)]
		return nil
	}
	n := min(length, most)
	g.Bytes = loadBytes(payload[:wholeWords(n)])[:n]
	return nil
}

// wholeWords rounds up to words: slots, their payloads and arena runs are made of them.
func wholeWords(n int) int { return (n + 7) &^ 7 }
