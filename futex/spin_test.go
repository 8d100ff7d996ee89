//go:build linux

package futex

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestPauseOfNoneOrFewerReturns(*testing.T) {
	Pause(0)
	Pause(-1)
	Pause(16)
	Round()
}

func TestSpinnerThatShallNotSpinParksAtOnce(t *testing.T) {
	s := NewSpinner(-1)
	for range 3 {
		require.Zero(t, s.Begin())
		s.Hit(100)
		s.Miss()
	}
	var zero Spinner
	zero.Hit(5)
	assert.Zero(t, zero.Begin(), "the zero Spinner does not spin")
}

func TestSpinnerOnOneProcessorParksAtOnceUnlessALimitIsGiven(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	usual, given := NewSpinner(0), NewSpinner(time.Second)
	assert.Zero(t, usual.Begin(), "the peer could not run meanwhile")
	assert.Equal(t, online() > 1, given.Begin() > 0, "who gave a limit knows where the peer runs")
}

func TestDisturbLetsSleepersSleepOn(t *testing.T) {
	var w atomic.Uint32
	ended := make(chan error, 1)
	go func() { ended <- Wait(&w, 0, Never) }()
	for range 100 {
		Disturb()
	}
	w.Store(1)
	for len(ended) == 0 {
		WakeAll(&w)
		Yield()
	}
	require.NoError(t, <-ended)
}

func TestYieldReturns(*testing.T) {
	for range 100 {
		Yield()
	}
}

func TestSpinnerBoundToOneProcessorParksAtOnce(t *testing.T) {
	runtime.LockOSThread() // not unlocked: the thread ends with its mask
	var all, one unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &all))
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	require.NoError(t, unix.SchedSetaffinity(0, &one))
	s := NewSpinner(0)
	assert.Zero(t, s.Begin())
	assert.True(t, OneProcessor())
	require.NoError(t, unix.SchedSetaffinity(0, &all))
	assert.Equal(t, all.Count() < 2 || runtime.GOMAXPROCS(0) < 2, OneProcessor())
}

func TestSpinnerLearns(t *testing.T) {
	s := Spinner{limit: 1000, least: 4, budget: 1000}
	for range 20 {
		s.Miss()
	}
	assert.Equal(t, 4, s.Begin(), "a probe is left")
	s.Hit(2)
	assert.Equal(t, 2*(2+4), s.Begin())
	s.Hit(0)
	assert.Equal(t, 2*(2+4), s.Begin(), "an early hit takes nothing away")
	for range 20 {
		s.Hit(s.Begin())
	}
	assert.Equal(t, 1000, s.Begin(), "and no more than the limit")
}

func TestSpinnerSpinsForAboutItsLimit(t *testing.T) {
	if online() < 2 {
		t.Skip("nobody spins on one processor")
	}
	round := pace().round
	assert.Positive(t, round)
	assert.Positive(t, pace().pauses)
	for _, limit := range []time.Duration{1, time.Microsecond, DefaultSpin, time.Second} {
		s := NewSpinner(limit)
		want := max(1, int(limit/round))
		assert.Equal(t, want, s.Begin(), "%v", limit)
		for range 40 {
			s.Miss()
		}
		assert.Equal(t, min(want, int(minSpin/round)+1), s.Begin(), "%v", limit)
	}
}

func TestPausesOfATime(t *testing.T) {
	assert.Equal(t, 1, Pauses(0))
	assert.GreaterOrEqual(t, Pauses(time.Microsecond), Pauses(100*time.Nanosecond))
	assert.InDelta(t, float64(time.Millisecond/pace().one), Pauses(time.Millisecond), 1)
}
