package channel

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// A cell is the last value of an event and its sequence: a word that names a buffer,
// and the buffers. Each place has buffers of its own, which only its holder writes, so no
// two processes write one buffer, whoever dies:
//
//	writer                              reader
//	1 choose an own buffer that the     1 load the word: sequence and buffer
//	  word does not name                2 load that buffer's header: of this sequence?
//	2 header := being written           3 copy the value
//	3 store the value                   4 load the header again: unchanged?
//	4 header := the next sequence
//	5 CAS the word; lost: again from 4
//
// Invariant: while the word names a buffer, its header and value do not change. For the
// owner alone writes it and chose another one; the word could come to name a buffer
// between 1 and 5 only by the owner's own CAS. So a writer that is killed leaves the old
// value, or the new one, and a successor at its place begins with a look at the word.
//
// A reader may be slower than the writers: then its buffer is written again. The header
// says so, since it is taken back before the value changes and no sequence is published
// twice; what a lost CAS leaves in a header never was in the word together with that
// buffer. Several buffers a place give the reader the time of as many signals.
type cell struct {
	word    *atomic.Uint64
	buffers []layout.EventBuffer
}

// maxEventRaces bounds the races that one call loses: somebody who changes the word for
// ever holds nobody.
const maxEventRaces = 1 << 12

func newCell(v *layout.View) (cell, error) {
	buffers, err := v.EventBuffers()
	return cell{word: &v.Control.Tail.V, buffers: buffers}, err
}

// start publishes the empty value under a sequence.
func (c cell) start(seq uint64) {
	c.buffers[0].Header.Store(uint64(layout.NewEventHeader(seq, 0)))
	c.word.Store(uint64(layout.NewEventWord(seq, 0)))
}

// now loads the word and checks it.
func (c cell) now() (layout.EventWord, error) {
	w := layout.EventWord(c.word.Load()) // sync: event
	if w.Reserved() != 0 || w.Buffer() >= len(c.buffers) {
		return 0, fmt.Errorf("%w: event word %#016x of %d buffers", ErrCorrupt, uint64(w),
			len(c.buffers))
	}
	return w, nil
}

// load appends the last value to dst and returns its sequence.
func (c cell) load(dst []byte) (uint64, []byte, error) {
	for range maxEventRaces {
		w, err := c.now()
		if err != nil {
			return 0, dst, err
		}
		fault.Point("channel.event.load")
		b := &c.buffers[w.Buffer()]
		header := layout.EventHeader(b.Header.Load()) // sync: event-header
		n := header.Length()
		if header == layout.NewEventHeader(w.Seq(), n) && n <= layout.EventValueSize {
			out := appendValue(dst, b, n)
			if b.Header.Load() == uint64(header) { // sync: event-header
				return w.Seq(), out, nil
			}
		}
		fault.Point("channel.event.raced")
		if c.word.Load() == uint64(w) { // sync: event
			return 0, dst, fmt.Errorf("%w: event buffer %d has header %#016x, the event is at %d",
				ErrCorrupt, w.Buffer(), uint64(header), w.Seq())
		}
	}
	return 0, dst, fmt.Errorf("%w: the event did not stand still for %d looks",
		ErrBusy, maxEventRaces)
}

// after reports whether seq lies behind since: by less than half of all sequences.
func after(seq, since uint64) bool {
	ahead := (seq - since) & layout.EventSeqMask
	return ahead != 0 && ahead <= layout.EventSeqMask/2
}

// A cellWriter publishes for the holder of one place. It is used by one goroutine at a
// time.
type cellWriter struct {
	cell
	first int // own buffers begin here
	last  int // of them, written last
}

func newCellWriter(c cell, place int) cellWriter {
	return cellWriter{cell: c, first: place * layout.EventPerPlace}
}

// publish makes value the last one, and returns its sequence.
func (c *cellWriter) publish(value []byte) (uint64, error) {
	w, err := c.now()
	if err != nil {
		return 0, err
	}
	if c.last = (c.last + 1) % layout.EventPerPlace; c.first+c.last == w.Buffer() {
		c.last = (c.last + 1) % layout.EventPerPlace
	}
	index := c.first + c.last
	b := &c.buffers[index]
	fault.Point("channel.event.chosen")
	b.Header.Store(0) // sync: event-header
	fault.Point("channel.event.taken")
	storeValue(b, value)
	for range maxEventRaces {
		seq := (w.Seq() + 1) & layout.EventSeqMask
		header := layout.NewEventHeader(seq, len(value))
		b.Header.Store(uint64(header)) // sync: event-header
		fault.Point("channel.event.written")
		next := layout.NewEventWord(seq, index)
		if c.word.CompareAndSwap(uint64(w), uint64(next)) { // sync: event
			fault.Point("channel.event.published")
			return seq, nil
		}
		if w, err = c.now(); err != nil {
			return 0, err
		}
		if w.Buffer() == index {
			return 0, fmt.Errorf("%w: event word %#016x names a buffer that was not published",
				ErrCorrupt, uint64(w))
		}
	}
	return 0, fmt.Errorf("%w: lost %d races to other signals", ErrBusy, maxEventRaces)
}

// storeValue writes the words of a value. They are atomic because a slow reader may look
// at them still.
func storeValue(b *layout.EventBuffer, value []byte) {
	i := 0
	for ; len(value) >= 8; i++ {
		b.Value[i].Store(binary.LittleEndian.Uint64(value)) // sync: event-value
		value = value[8:]
		if i == 0 {
			fault.Point("channel.event.half")
		}
	}
	if len(value) > 0 {
		var rest [8]byte
		copy(rest[:], value)
		b.Value[i].Store(binary.LittleEndian.Uint64(rest[:])) // sync: event-value
	}
}

// appendValue appends the first n bytes of a buffer to dst.
func appendValue(dst []byte, b *layout.EventBuffer, n int) []byte {
	end := len(dst) + n
	for i := range (n + 7) / 8 {
		dst = binary.LittleEndian.AppendUint64(dst, b.Value[i].Load()) // sync: event-value
	}
	return dst[:end]
}
