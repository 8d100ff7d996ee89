//go:build linux && fault

package futex

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

func init() {
	verbs["broadcast"] = func(c *layout.Control) error {
		Broadcast(&c.Data)
		return nil
	}
}

// killedAt has another process broadcast, which is killed at the point.
func killedAt(t *testing.T, point, path string) {
	t.Helper()
	t.Setenv(fault.EnvVar, point+":kill")
	err := startFailing(t, "broadcast", path)()
	require.ErrorContains(t, err, "signal: killed")
}

func TestWakerKilledBeforeItsBumpIsAsIfItHadNotCome(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		c, path := sharedFile(t)
		done := park(&c.Data.Seq, 0, Never)
		awaitAsleep(&c.Data.Seq, 1)
		killedAt(t, "futex.signal.before", path)
		require.Zero(t, Sample(&c.Data))
		require.Empty(t, done)
		Broadcast(&c.Data)
		require.NoError(t, <-done)
	})
}

func TestWakerKilledAfterItsBumpIsSeenByTheNextLook(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		c, path := sharedFile(t)
		seq := Sample(&c.Data)
		done := park(&c.Data.Seq, seq, After(50*time.Millisecond))
		awaitAsleep(&c.Data.Seq, 1)
		killedAt(t, "futex.signal.bumped", path)
		// The wake never comes: a sleep without a deadline would be for ever.
		if err := <-done; err != nil {
			require.ErrorIs(t, err, ErrTimeout)
		}
		require.NoError(t, Park(&c.Data.Seq, seq, Never), "the bump is there")
	})
}
