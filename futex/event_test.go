//go:build linux

package futex

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
)

func TestSignalDoesNothingWhileNobodyWaits(t *testing.T) {
	var e layout.Event
	for _, places := range []int{1, 64, 65, layout.MaxParticipants} {
		assert.False(t, Signal(&e, places), "no system call")
	}
	assert.Zero(t, Sample(&e), "no store either")
}

func TestSignalBumpsForEveryPlace(t *testing.T) {
	for _, places := range []int{4, 64, 65, 128, 200, 256} {
		for place := range places {
			var e layout.Event
			Announce(&e, place)
			require.True(t, Signal(&e, places), "place %d of %d", place, places)
			require.Equal(t, uint32(1), Sample(&e))
			Withdraw(&e, place)
			require.False(t, Waiting(&e, places))
			require.False(t, Signal(&e, places))
		}
	}
}

func TestSignalKeepsTheBits(t *testing.T) {
	var e layout.Event
	Announce(&e, 3)
	require.True(t, Signal(&e, 4))
	assert.True(t, Waiting(&e, 4), "only the sleeper clears its bit: there may be two")
}

func TestBitsOfOtherPlacesAreLeftAlone(t *testing.T) {
	var e layout.Event
	for place := range layout.MaxParticipants {
		Announce(&e, place)
		Announce(&e, place)
	}
	for i := range e.Bits {
		require.Equal(t, uint64(math.MaxUint64), e.Bits[i].Load())
	}
	for place := range layout.MaxParticipants {
		require.True(t, Waiting(&e, layout.MaxParticipants))
		Withdraw(&e, place)
	}
	assert.False(t, Waiting(&e, layout.MaxParticipants))
}

func TestWaitingLooksAtNoMoreThanThePlaces(t *testing.T) {
	var e layout.Event
	Announce(&e, 64)
	assert.False(t, Waiting(&e, 64))
	assert.True(t, Waiting(&e, 65))
}

func TestBroadcastWakesWhoeverSetNoBit(t *testing.T) {
	watchdog(t)
	var e layout.Event
	seq := Sample(&e)
	done := sleep(&e.Seq, seq, Never)
	Broadcast(&e)
	require.NoError(t, <-done)
	assert.Equal(t, seq+1, Sample(&e))
}

func TestSignalBetweenSampleAndWaitIsNotLost(t *testing.T) {
	var e layout.Event
	Announce(&e, 0)
	seq := Sample(&e)
	require.True(t, Signal(&e, 1))
	require.NoError(t, Wait(&e.Seq, seq, Never), "returns at once")
}

func TestSequenceWraps(t *testing.T) {
	var e layout.Event
	e.Seq.Store(math.MaxUint32)
	Announce(&e, 0)
	seq := Sample(&e)
	require.True(t, Signal(&e, 1))
	assert.Zero(t, Sample(&e))
	require.NoError(t, Wait(&e.Seq, seq, Never))
}

func TestSleepersKeepTheBitUntilTheLastLeaves(t *testing.T) {
	var e layout.Event
	s := NewSleepers(&e, 4)
	s.Enter(2)
	s.Enter(2)
	s.Enter(3)
	assert.Equal(t, uint64(0b1100), e.Bits[0].Load())
	s.Leave(2)
	assert.Equal(t, uint64(0b1100), e.Bits[0].Load(), "one still sleeps at place 2")
	s.Leave(2)
	assert.Equal(t, uint64(0b1000), e.Bits[0].Load())
	s.Leave(3)
	assert.Zero(t, e.Bits[0].Load())
}

func TestSleepersSetTheBitAgainForEveryOneThatEnters(t *testing.T) {
	var e layout.Event
	s := NewSleepers(&e, 4)
	s.Enter(1)
	Withdraw(&e, 1) // somebody settled the place by mistake
	s.Enter(1)
	assert.True(t, Waiting(&e, 4))
}

func TestSleepersLeaveWithoutEnterPanics(t *testing.T) {
	var e layout.Event
	s := NewSleepers(&e, 4)
	assert.PanicsWithValue(t, "futex: nobody sleeps at place 1", func() { s.Leave(1) })
	s.Enter(1)
	assert.True(t, Waiting(&e, 4), "and does not spoil the count")
	s.Leave(1)
	assert.False(t, Waiting(&e, 4))
}
