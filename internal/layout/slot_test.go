package layout

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCommitWordReadsBackWhatWasPacked(t *testing.T) {
	for _, shift := range []uint{0, 4, 8, 22} {
		for _, pos := range []uint64{0, 1, 15, 16, 1<<26 - 1, 1 << 26, 1<<40 - 1, math.MaxUint64} {
			for kind := SlotNone; kind <= SlotAborted; kind++ {
				for _, length := range []uint32{0, 1, 56, MaxLength} {
					c := NewCommit(pos, shift, kind, length)
					ok := c.Kind() == kind && c.Length() == length && c.Reserved() == 0 &&
						c.SameLap(pos, shift)
					require.True(t, ok, "%#x: pos %d shift %d", uint64(c), pos, shift)
				}
			}
		}
	}
}

func TestCommitWordOfTheLapBeforeIsAnotherLap(t *testing.T) {
	const shift = 4
	for _, pos := range []uint64{16, 17, 1 << 26, 1 << 30, 1<<40 - 1} {
		c := NewCommit(pos, shift, SlotInline, 5)
		assert.False(t, c.SameLap(pos-16, shift))
		assert.False(t, c.SameLap(pos+16, shift))
		assert.True(t, c.SameLap(pos^1, shift), "neighbours share a lap")
	}
}

func TestCommitWordLapTagWraps(t *testing.T) {
	const shift = 4
	pos := uint64(1) << (26 + shift) // lap 2^26 reads as lap 0
	assert.Equal(t, NewCommit(0, shift, SlotInline, 1), NewCommit(pos, shift, SlotInline, 1))
	assert.True(t, NewCommit(0, shift, SlotInline, 1).SameLap(pos, shift))
	assert.False(t, NewCommit(pos-1, shift, SlotInline, 1).SameLap(pos, shift))
}

func TestCommitWordZeroIsUncommitted(t *testing.T) {
	assert.Equal(t, SlotNone, Commit(0).Kind())
	assert.Equal(t, SlotNone, NewCommit(math.MaxUint64, 4, SlotNone, 0).Kind())
}

func TestCommitWordShowsReservedBits(t *testing.T) {
	c := NewCommit(7, 4, SlotArena, 99)
	for bit := lengthBits; bit < kindShift; bit++ {
		dirty := c | 1<<bit
		assert.NotZero(t, dirty.Reserved(), "bit %d", bit)
		assert.Equal(t, c.Kind(), dirty.Kind())
		assert.Equal(t, c.Length(), dirty.Length())
	}
	for bit := range 64 {
		one := Commit(1) << bit
		parts := 0
		for _, set := range []bool{
			one.Length() != 0, one.Reserved() != 0, one.Kind() != 0, !one.SameLap(0, 0),
		} {
			if set {
				parts++
			}
		}
		assert.Equal(t, 1, parts, "bit %d belongs to exactly one field", bit)
	}
}

func TestReferenceReadsBackWhatWasPacked(t *testing.T) {
	for _, pos := range []uint32{0, 1, MaxArena/ArenaUnit - 1, math.MaxUint32} {
		for _, units := range []uint32{0, 1, MaxArena / ArenaUnit / 2, math.MaxUint32} {
			r := NewReference(pos, units)
			assert.Equal(t, pos, r.Pos())
			assert.Equal(t, units, r.Units())
		}
	}
}

func TestRoleNames(t *testing.T) {
	assert.Equal(t, "none", RoleNone.String())
	assert.Equal(t, "receiver", RoleReceiver.String())
	assert.Equal(t, "sender", RoleSender.String())
	assert.Equal(t, "controller", RoleController.String())
	assert.Equal(t, "unknown", Role(99).String())
}
