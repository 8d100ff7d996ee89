package channel_test

import (
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"github.com/edsrzf/mmap-go"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

// A flipper stores wrong words into a segment, through a mapping of its own.
type flipper struct {
	mem   mmap.MMap
	words []*atomic.Uint64 // all of the file
	born  []uint64         // what each was in a healthy channel
	rnd   *rand.Rand
	parts []part
	slots part
}

// A part is a piece of the segment that is damaged for a while on its own: a channel that
// is damaged everywhere refuses all calls at their first look.
type part struct{ from, to int } // in words

// newFlipper maps the file, which is that of a healthy segment.
func newFlipper(t testing.TB, path string, rnd *rand.Rand) *flipper {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close() //nolint:errcheck // the mapping is all that counts
	mem, err := mmap.Map(file, mmap.RDWR, 0)
	require.NoError(t, err)
	_, g, err := layout.Decode(mem, uint64(len(mem)))
	require.NoError(t, err)
	f := &flipper{mem: mem, rnd: rnd}
	for off := 0; off < len(mem); off += 8 {
		w := layout.Word(mem, uint64(off))
		f.words, f.born = append(f.words, w), append(f.born, w.Load())
	}
	add := func(from, to uint64) { f.parts = append(f.parts, part{int(from), int(to)}) }
	add(0, layout.PageSize/8)
	for i := range layout.ControlSize / uint64(layout.Line) { // word by word, event by event
		at := (layout.ControlOff + i*layout.Line) / 8
		add(at, at+layout.Line/8)
	}
	add(g.ParticipantsOff/8, g.DeathsOff/8)
	add(g.ParticipantsOff/8, g.ParticipantsOff/8+2*layout.ParticipantSize/8)
	add(g.DeathsOff/8, g.SlotsOff/8)
	add(g.SlotsOff/8, (g.SlotsOff+g.SlotCount*uint64(g.SlotSize))/8)
	f.slots = f.parts[len(f.parts)-1]
	if g.ArenaSize > 0 {
		add(g.ArenaOff/8, g.TotalSize/8)
	}
	add(0, g.TotalSize/8)
	return f
}

// flip damages one part after the other until the round is over, and takes most of it
// back, so that the channel works in between.
func (h *hostile) flip(f *flipper) {
	rnd := f.rnd
	for !h.over() {
		p := f.parts[rnd.IntN(len(f.parts))]
		if rnd.IntN(3) == 0 { // the state, tail and head words, and the first events
			p = f.parts[1+rnd.IntN(7)]
		}
		for range rnd.IntN(100) {
			w := p.from + rnd.IntN(p.to-p.from)
			old := f.words[w].Load()
			f.words[w].Store(f.wrong(old))
			h.flips.Add(1)
			if rnd.IntN(20) != 0 {
				if rnd.IntN(4) == 0 {
					shmtest.Yield()
				}
				f.words[w].Store(old)
			}
		}
		if rnd.IntN(8) != 0 {
			f.heal(rnd)
		}
		for range rnd.IntN(20) { // and now and then it works for a while
			shmtest.Yield()
		}
	}
}

// heal makes the header and the control words what they were in the beginning, and the slots
// uncommitted, but leaves the waiting bits and sequences, which others sleep by.
func (f *flipper) heal(rnd *rand.Rand) {
	for w := range layout.ControlOff / 8 {
		f.words[w].Store(f.born[w])
	}
	for line, word := range map[int]uint64{0: f.born[layout.ControlOff/8], 7: 0} { // state, poison
		f.words[layout.ControlOff/8+line*layout.Line/8].Store(word)
	}
	for w := f.slots.from; w < f.slots.to; w++ {
		f.words[w].Store(f.born[w])
	}
	tail := f.words[(layout.ControlOff+layout.Line)/8]
	head := f.words[(layout.ControlOff+2*layout.Line)/8]
	if rnd.IntN(2) == 0 {
		tail.Store(head.Load() &^ (1 << 63))
	} else {
		tail.And(1<<63 - 1)
		head.Store(tail.Load())
	}
}

// wrong returns something that a word never or hardly ever is.
func (f *flipper) wrong(w uint64) uint64 {
	lap := uint64(1) << 38
	values := [...]uint64{
		0, 1, ^uint64(0), 1 << 63, w + 1, w - 1, w ^ 1<<63, w + lap, w - lap, w ^ 1<<36, w ^ 1<<28,
		w | layout.MaxLength, w ^ 1<<f.rnd.IntN(64), w ^ 0xffffffff, w<<32 | w>>32, f.rnd.Uint64(),
		w&^0xff | uint64(f.rnd.IntN(8)), uint64(f.rnd.IntN(1 << 16)),
	}
	return values[f.rnd.IntN(len(values))]
}

// inside reads every byte of b: what was handed out must lie in memory that is ours.
func (p *party) inside(ch *channel.Channel, b []byte) {
	if len(b) > ch.MaxMessage() {
		p.h.fail("%d bytes of a channel whose messages have %d at most", len(b), ch.MaxMessage())
	}
	for _, c := range b {
		p.sum += c
	}
}
