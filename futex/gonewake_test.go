//go:build linux

package futex

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Memory may go between the bump of a word and its wake.

func TestWakeReachesWhoSleepsOnMemoryThatIsGone(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		c, path := sharedFile(t)
		w := &c.Data.Seq
		done := park(w, 0, Never)
		awaitAsleep(w, 1)
		require.NoError(t, os.Truncate(path, 0))
		require.Zero(t, WakeAll(w))
		require.ErrorIs(t, <-done, unix.EFAULT)
	})
}

// Another word is woken: where each word has a sleeper of its own, the one in memory that is
// gone has to end as well.
func TestWaitAnyIsWokenBesideMemoryThatIsGone(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		t.Helper()
		c, path := sharedFile(t)
		words := append(newWords(1), Word{W: &c.Data.Seq})
		type answer struct {
			index int
			err   error
		}
		done := make(chan answer, 1)
		go func() {
			i, err := WaitAny(words, Never)
			done <- answer{i, err}
		}()
		for _, w := range words {
			awaitAsleep(w.W, 1)
		}
		require.NoError(t, os.Truncate(path, 0))
		bump(words[0].W)
		require.Equal(t, answer{}, <-done)
	})
}
