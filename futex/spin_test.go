package futex

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestPauseOfNoneOrFewerReturns(*testing.T) {
	Pause(0)
	Pause(-1)
	Pause(Round)
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

func TestSpinnerOnOneProcessorParksAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := NewSpinner(time.Second)
	assert.Zero(t, s.Begin(), "the peer could not run meanwhile")
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
	s := NewSpinner(time.Second)
	assert.Zero(t, s.Begin())
	require.NoError(t, unix.SchedSetaffinity(0, &all))
}

func TestSpinnerLearns(t *testing.T) {
	s := Spinner{limit: 1000, budget: 1000}
	for range 20 {
		s.Miss()
	}
	assert.Equal(t, minSpin, s.Begin(), "a probe is left")
	s.Hit(2)
	assert.Equal(t, 2*(2+minSpin), s.Begin())
	s.Hit(0)
	assert.Equal(t, 2*(2+minSpin), s.Begin(), "an early hit takes nothing away")
	for range 20 {
		s.Hit(s.Begin())
	}
	assert.Equal(t, 1000, s.Begin(), "and no more than the limit")
}

func TestSpinnerSpinsForAboutItsLimit(t *testing.T) {
	if processors() < 2 {
		t.Skip("nobody spins on one processor")
	}
	assert.Positive(t, roundTime())
	short, long, usual := NewSpinner(1), NewSpinner(time.Second), NewSpinner(0)
	assert.Equal(t, minSpin, short.Begin())
	assert.Greater(t, long.Begin(), usual.Begin())
	assert.Equal(t, max(minSpin, int(DefaultSpin/roundTime())), usual.Begin())
}
