package layout

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOverlayRegionsAreWhereGeometrySays(t *testing.T) {
	g, err := NewGeometry(small())
	require.NoError(t, err)
	mem := HeapMemory(g.TotalSize)
	v, err := Overlay(mem, g)
	require.NoError(t, err)

	v.Control.State.V.Store(0x11)
	v.Participants[MinParticipants-1].Claim.Store(0x22)
	v.Deaths[DeathCount-1].Claim.Store(0x33)
	v.Slots[0], v.Slots[len(v.Slots)-1] = 0x44, 0x55
	v.Arena[0], v.Arena[len(v.Arena)-1] = 0x66, 0x77

	assert.Equal(t, byte(0x11), mem[ControlOff])
	assert.Equal(t, byte(0x22), mem[g.ParticipantsOff+(MinParticipants-1)*ParticipantSize])
	assert.Equal(t, byte(0x33), mem[g.DeathsOff+(DeathCount-1)*DeathSize])
	assert.Equal(t, byte(0x44), mem[g.SlotsOff])
	assert.Equal(t, byte(0x55), mem[g.SlotsOff+16*64-1])
	assert.Equal(t, byte(0x66), mem[g.ArenaOff])
	assert.Equal(t, byte(0x77), mem[g.TotalSize-1])
	assert.Len(t, v.Participants, MinParticipants)
	assert.Len(t, v.Slots, 16*64)
	assert.Len(t, v.Arena, MinArena)
}

func TestOverlayWithoutArena(t *testing.T) {
	p := small()
	p.ArenaSize = 0
	g, err := NewGeometry(p)
	require.NoError(t, err)
	v, err := Overlay(HeapMemory(g.TotalSize), g)
	require.NoError(t, err)
	assert.Empty(t, v.Arena)
}

func TestOverlayRefusesMemoryThatDoesNotFit(t *testing.T) {
	g, err := NewGeometry(small())
	require.NoError(t, err)
	mem := HeapMemory(g.TotalSize + PageSize)
	for name, m := range map[string][]byte{
		"none": nil, "short": mem[:g.TotalSize-1], "long": mem[:g.TotalSize+1],
		"misaligned by a word": mem[8 : g.TotalSize+8],
		"misaligned by half":   mem[Line/2 : g.TotalSize+Line/2],
	} {
		_, err := Overlay(m, g)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
	_, err = Overlay(nil, Geometry{})
	assert.ErrorIs(t, err, ErrInvalid, "the zero Geometry is none")
}

func TestWordIsTheWordAtAnOffset(t *testing.T) {
	mem := HeapMemory(64)
	Word(mem, 8).Store(0x0807060504030201)
	assert.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7, 8}, mem[8:16])
	Word(mem, 56).Store(1)
	for _, off := range []uint64{57, 64, 1 << 40, 1<<64 - 1, 1<<64 - 8, 4, 12} {
		assert.Panics(t, func() { Word(mem, off) }, "offset %d", off)
	}
	assert.Panics(t, func() { Word(nil, 0) })
}

func TestHeapMemoryLooksLikeAMapping(t *testing.T) {
	for _, n := range []uint64{1, PageSize - 1, PageSize, 5 * PageSize} {
		mem := HeapMemory(n)
		assert.Len(t, mem, int(n))
		assert.Equal(t, int(n), cap(mem), "an append must not write behind the segment")
		for _, b := range mem {
			require.Zero(t, b)
		}
	}
}
