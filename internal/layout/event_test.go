package layout

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEventWordsKeepWhatWasPacked(t *testing.T) {
	for _, seq := range []uint64{0, 1, 1 << 40, EventSeqMask - 1, EventSeqMask} {
		for _, buffer := range []int{0, 1, 1023} {
			w := NewEventWord(seq, buffer)
			require.Equal(t, seq, w.Seq())
			require.Equal(t, buffer, w.Buffer())
			require.Zero(t, w.Reserved())
		}
		for _, length := range []int{0, 1, EventValueSize} {
			h := NewEventHeader(seq, length)
			require.Equal(t, length, h.Length())
			require.NotZero(t, h, "a written buffer is never taken for one that is being written")
			require.NotEqual(t, h, NewEventHeader(seq+1, length))
		}
	}
	require.Equal(t, NewEventWord(0, 3), NewEventWord(EventSeqMask+1, 3), "the sequence wraps")
	require.EqualValues(t, 1, EventWord(1<<63).Reserved())
}

func TestEventBuffersLieInTheSlots(t *testing.T) {
	for _, places := range []uint32{MinParticipants, 5, 64, MaxParticipants} {
		g, err := NewGeometry(EventParams(places, OptPersistent))
		require.NoError(t, err)
		v, err := Overlay(HeapMemory(g.TotalSize), g)
		require.NoError(t, err)
		buffers, err := v.EventBuffers()
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(buffers), int(places)*EventPerPlace)
		require.LessOrEqual(t, len(buffers), eventIndexMask+1)
		buffers[len(buffers)-1].Value[29].Store(0x7766554433221100)
		require.Equal(t, byte(0x77), v.Slots[len(v.Slots)-1])
	}
}

func TestEventBuffersOfAnotherGeometryAreRefused(t *testing.T) {
	p := EventParams(8, 0)
	for _, change := range []func(p *Params){
		func(p *Params) { p.SlotCount *= 2 },
		func(p *Params) { p.SlotSize = 64 },
		func(p *Params) { p.ArenaSize = MinArena },
		func(p *Params) { p.Kind, p.RingKind = KindChannel, RingMPSC },
	} {
		other := p
		change(&other)
		g, err := NewGeometry(other)
		require.NoError(t, err)
		v, err := Overlay(HeapMemory(g.TotalSize), g)
		require.NoError(t, err)
		_, err = v.EventBuffers()
		require.ErrorIs(t, err, ErrInvalid)
	}
}
