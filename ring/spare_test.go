package ring_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/ring"
)

// spareRing has slots and an arena of the same number of units, so that one test is for both.
func spareRing(t *testing.T) (*ring.Ring, *layout.View) {
	t.Helper()
	r, v, err := ring.NewHeap(layout.Params{
		Kind: layout.KindChannel, RingKind: layout.RingMPSC, SlotCount: 64, SlotSize: 64,
		ArenaSize: 64 * layout.ArenaUnit, MaxParticipants: 4,
	})
	require.NoError(t, err)
	return r, v
}

// marks returns which things of a region the extents cover, and fails for one that is
// covered twice or lies outside.
func marks(t *testing.T, parts [2]ring.Extent, size, all uint64) []bool {
	t.Helper()
	free := make([]bool, all)
	for _, x := range parts {
		require.Zero(t, x.Off%size)
		require.Zero(t, x.Len%size)
		for i := x.Off / size; i < (x.Off+x.Len)/size; i++ {
			require.Less(t, i, all)
			require.False(t, free[i], "twice")
			free[i] = true
		}
	}
	return free
}

func TestSpareIsWhatLiesOutsideOfHeadAndTail(t *testing.T) {
	rnd, _ := shmtest.Rand(t)
	const slotBits = 63 - 7 // 64 units count to 128
	for range 1000 {
		r, v := spareRing(t)
		head, used := rnd.Uint64()>>7, rnd.Uint64N(65)
		arena, units := rnd.Uint64N(128), rnd.Uint64N(65)
		r.Init(head, arena)
		word := v.Control.Head.V.Load()
		r.Init(head+used, arena+units)
		v.Control.Head.V.Store(word)

		s, err := r.Spare()
		require.NoError(t, err)
		require.Equal(t, ring.Spare{}, s, "the seal may be missing")
		r.Seal()
		s, err = r.Spare()
		require.NoError(t, err)
		slots, runs := marks(t, s.Slots, 64, 64), marks(t, s.Arena, layout.ArenaUnit, 64)
		head &= 1<<slotBits - 1
		for n := range uint64(64) {
			require.Equal(t, n > used+ring.LookAhead, slots[(head+n)%64],
				"slot %d after head, %d used", n, used)
			require.Equal(t, n >= units, runs[(arena+n)%64], "unit %d after head, %d used",
				n, units)
		}
	}
}

func TestNothingIsSpareOfARingWhoseHeadCannotBe(t *testing.T) {
	r, v := spareRing(t)
	r.Seal()
	for _, head := range []uint64{1 << 63, 65 << 7, 63, 1 << 40} {
		v.Control.Head.V.Store(head)
		s, err := r.Spare()
		var ce *ring.CorruptError
		require.ErrorAs(t, err, &ce, "%#x", head)
		require.Equal(t, ring.Spare{}, s)
	}
}

// TestASlotThatTheHeadPassesWhileItIsCountedIsNoHole has it released and given back between the
// look at head and the look at the slot.
func TestASlotThatTheHeadPassesWhileItIsCountedIsNoHole(t *testing.T) {
	r, v := spareRing(t)
	p := r.NewProducer(1)
	require.NoError(t, p.Send(nil))
	require.NoError(t, p.Send(nil))
	r.Seal()
	head := v.Control.Head.V.Load()
	v.Participants[2].Intent.Store(ring.IntentOf(0, 1))
	clear(v.Slots[:64])
	n := r.Abandoned(func(int) bool { v.Control.Head.V.Store(head + 1<<7); return false })
	require.Zero(t, n)
	v.Control.Head.V.Store(head)
	require.EqualValues(t, 1, r.Abandoned(func(int) bool { return false }), "else it is one")
}
