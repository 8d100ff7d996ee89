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

// bothWays runs f with futex_waitv, if the kernel has it, and without.
func bothWays(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	var w atomic.Uint32
	_, err := WaitAny([]Word{{&w, 1}}, Never)
	require.NoError(t, err)
	was := vectored.Load()
	t.Run("vector", func(t *testing.T) {
		if was != vectorYes {
			t.Skip("no futex_waitv here")
		}
		watchdog(t)
		f(t)
	})
	t.Run("fallback", func(t *testing.T) {
		watchdog(t)
		vectored.Store(vectorNo)
		defer vectored.Store(was)
		require.False(t, Vectored())
		f(t)
	})
}

func newWords(n int) []Word {
	words := make([]Word, n)
	for i := range words {
		words[i].W = new(atomic.Uint32)
	}
	return words
}

func TestWaitAnyRefusesNoneAndTooMany(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		t.Helper()
		for _, n := range []int{0, MaxWords + 1} {
			i, err := WaitAny(newWords(n), After(time.Hour))
			require.ErrorContains(t, err, "want 1 to 128")
			assert.Equal(t, -1, i)
		}
	})
}

func TestWaitAnyTellsWhichWordWasWoken(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		t.Helper()
		for _, n := range []int{1, 2, 7, MaxWords} {
			for _, target := range []int{0, n / 2, n - 1} {
				words := newWords(n)
				done := make(chan int, 1)
				go func() {
					i, err := WaitAny(words, Never)
					assert.NoError(t, err)
					done <- i
				}()
				wakeOne(words[target].W)
				require.Equal(t, target, <-done, "of %d words", n)
			}
		}
	})
}

func TestWaitAnyTellsWhichWordDiffers(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		t.Helper()
		for range 20 {
			words := newWords(5)
			words[3].W.Store(9)
			i, err := WaitAny(words, After(time.Hour))
			require.NoError(t, err)
			if i != 3 { // it may wake for no reason, but then must not name another
				require.Equal(t, -1, i)
			}
		}
	})
}

func TestWaitAnyTimesOut(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		t.Helper()
		for _, n := range []int{1, 3, MaxWords} {
			words := newWords(n)
			until := After(10 * time.Millisecond)
			i, err := WaitAny(words, until)
			require.ErrorIs(t, err, ErrTimeout)
			assert.Equal(t, -1, i)
			assert.True(t, until.Passed())
			for _, w := range words {
				require.Zero(t, w.W.Load(), "a deadline is no reason to wake others")
			}
		}
		for _, past := range []Deadline{1, -1} {
			_, err := WaitAny(newWords(2), past)
			require.ErrorIs(t, err, ErrTimeout)
		}
	})
}

func TestWaitAnyEndsByAnotherProcess(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		t.Helper()
		c, path := sharedFile(t)
		done := make(chan int, 1)
		go func() {
			i, err := WaitAny([]Word{{&c.Space.Seq, 0}, {&c.Data.Seq, 0}}, Never)
			assert.NoError(t, err)
			done <- i
		}()
		wait := startChild(t, "wake-one", path)
		require.Equal(t, 1, <-done)
		wait()
	})
}

func TestWaitAnyInAnotherProcessIsWokenFromHere(t *testing.T) {
	watchdog(t)
	c, path := sharedFile(t)
	wait := startChild(t, "wait-any", path)
	wakeOne(&c.Data.Seq)
	wait()
}

func TestWaitAnyOnMemoryThatIsGoneIsAnError(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		t.Helper()
		_, path := sharedFile(t)
		v, mem, err := mapFile(path)
		require.NoError(t, err)
		gone := &v.Control.Data.Seq
		require.NoError(t, takeAway(mem))
		defer func() { require.NoError(t, unix.Munmap(mem)) }()
		good := newWords(2)
		i, err := WaitAny([]Word{good[0], {gone, 0}, good[1]}, After(time.Hour))
		require.ErrorIs(t, err, unix.EFAULT)
		assert.Equal(t, -1, i)
	})
}

func TestWaitAnyTakesAWordTwice(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		t.Helper()
		w := new(atomic.Uint32)
		done := make(chan error, 1)
		go func() {
			_, err := WaitAny([]Word{{w, 0}, {w, 0}}, Never)
			done <- err
		}()
		wakeOne(w)
		require.NoError(t, <-done)
	})
}

// TestWaitAnyFallbackWhenAChangerDied has a word changed by somebody who died before
// its wake, while another word is woken: nobody may stay asleep on the first.
func TestWaitAnyFallbackWhenAChangerDied(t *testing.T) {
	watchdog(t)
	words := newWords(2)
	done := make(chan error, 1)
	go func() {
		_, err := waitEach(words, Never)
		done <- err
	}()
	for asleep(words[0].W) == 0 || asleep(words[1].W) == 0 {
		runtime.Gosched()
	}
	words[0].W.Store(1)
	wakeOne(words[1].W)
	require.NoError(t, <-done)
}

func TestVectoredIsTrueUntilShownOtherwise(t *testing.T) {
	was := vectored.Load()
	defer vectored.Store(was)
	for value, want := range map[int32]bool{vectorUnknown: true, vectorYes: true, vectorNo: false} {
		vectored.Store(value)
		assert.Equal(t, want, Vectored())
	}
}
