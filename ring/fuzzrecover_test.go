package ring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

// FuzzRecover lets the fuzzer write a ring that somebody left behind and say whose lock is
// held. What recovers it does the same if done once more, keeps every message that is
// whole, and takes no slot from a living sender whose intent covers it.
func FuzzRecover(f *testing.F) {
	rnd := rand.New(rand.NewPCG(5, 6))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	for i := range byte(4 * len(shapes)) {
		f.Add(i, random(40), random(int(i)*10), random(9*int(i%4)), i*37)
	}
	f.Fuzz(func(t *testing.T, shape byte, calls, ring, words []byte, alive byte) {
		if len(calls) > 1<<10 || len(ring) > 1<<16 {
			return
		}
		shmtest.Bounded(t, time.Minute, 16<<20, func() {
			p := shapes[int(shape)%len(shapes)]
			at := starts(p)
			x, err := newVictim(p, at[int(shape>>4)%len(at)])
			require.NoError(t, err)
			for s := (&script{calls}); len(s.b) > 0; {
				require.NoError(t, x.step(s.below))
			}
			x.overwrite(ring, words)
			recoverTwice(t, x, func(place int) bool { return alive>>(place&7)&1 != 0 })
		})
	})
}

// overwrite stores bytes over the first slots, and words over those that rule the ring.
func (x *victim) overwrite(ring, words []byte) {
	ruling := x.ruling()
	for len(words) >= 9 {
		w := ruling[int(words[0])%len(ruling)]
		w.Store(binary.LittleEndian.Uint64(words[1:]))
		words = words[9:]
	}
	for i := 0; len(ring) >= 3; i, ring = i+1, ring[3:] { // kind and lap, sparsely
		off := uint64(i) * uint64(x.v.SlotSize) % uint64(len(x.v.Slots))
		w := layout.Word(x.v.Slots, off)
		if ring[0]&1 != 0 {
			w.Store(w.Load() ^ uint64(ring[1])<<(ring[2]%57))
		}
	}
}

// recoverTwice is what package channel does to a ring in state ERROR, and once more.
func recoverTwice(t *testing.T, x *victim, alive func(int) bool) {
	t.Helper()
	x.r.Seal()
	first, err := x.r.NewConsumer(0)
	require.NoError(t, x.check("new consumer", err))
	if err != nil {
		return // beyond repair
	}
	covered := x.covered(alive)
	whole := x.whole(t)
	_, err = first.Scrub()
	require.NoError(t, x.check("scrub", err))
	if err != nil {
		return
	}
	before := bytes.Clone(x.v.Slots)
	again, err := x.r.NewConsumer(0)
	require.NoError(t, err, "the ring was repaired")
	damaged, err := again.Scrub()
	require.NoError(t, err)
	require.Zero(t, damaged, "once more finds what the first repaired")
	require.Equal(t, before, x.v.Slots)
	got := x.passAll(t, again, alive, covered)
	require.GreaterOrEqual(t, len(got), len(whole), "messages that were whole before")
	for i, pos := range whole {
		require.Contains(t, got, pos, "message %d", i)
	}
}

// covered lists the slots that a living sender may be filling, by position.
func (x *victim) covered(alive func(int) bool) map[uint64]bool {
	out := make(map[uint64]bool)
	head, tail := x.r.head.Load(), x.r.tail.Load()
	from := x.r.slotOf(head)
	for i := range x.r.slotsFrom(from, x.r.slotOf(tail)) {
		pos := from + slotPos(i)
		w := layout.Commit(x.r.cell(pos).commit().Load())
		current := w.Kind() != layout.SlotNone &&
			w.SameLap(uint64(pos)&x.r.slotMask, x.r.lapShift)
		for place := range x.r.rows {
			intent := x.r.rows[place].Intent.Load()
			_, n, ok := IntentRange(intent)
			if !current && ok && n <= x.r.slots && Covers(intent, uint64(pos)) && alive(place) {
				out[uint64(pos)&x.r.slotMask] = true
			}
		}
	}
	return out
}

// whole lists the messages that a receiver would get before the first damaged slot.
func (x *victim) whole(t *testing.T) []uint64 {
	t.Helper()
	c, err := x.r.NewConsumer(0)
	require.NoError(t, err)
	var out []uint64
	for {
		var it Item
		if c.Next(&it) != nil {
			return out
		}
		out = append(out, it.Pos&c.slotMask)
	}
}

// passAll receives all there is, skips the holes of the dead, and fails if one of the
// slots that the living may be filling is passed. It returns what it received.
func (x *victim) passAll(
	t *testing.T, c *Consumer, alive func(int) bool, covered map[uint64]bool,
) []uint64 {
	t.Helper()
	var out []uint64
	for range 2*c.slots + 2 {
		var it Item
		err := c.Next(&it)
		switch {
		case err == nil:
			out = append(out, it.Pos&c.slotMask)
		case errors.Is(err, ErrHole):
			before := c.next
			owner, err := c.Skip(alive)
			require.NoError(t, err)
			if owner >= 0 {
				require.True(t, alive(owner))
				return out
			}
			require.False(t, covered[uint64(before)&c.slotMask], "slot %d is somebody's", before)
		default:
			require.ErrorIs(t, err, ErrEnd, "the ring was repaired")
			return out
		}
	}
	require.Fail(t, "there is no end")
	return nil
}
