//go:build fault && linux && amd64 && !race

package channel_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/internal/shmtest"
)

// A seccomp profile may come into force after a latch was made biased.
func TestLatchIsRevokedAlsoWhereTheBarrierIsForbiddenMeanwhile(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	channel.ImpatientLatches(t)
	t.Cleanup(func() { _ = fault.SetRules("") })
	for range 200 {
		l := new(channel.Latch)
		l.MakeBiased()
		require.NoError(t, fault.SetRules("channel.latch.membarrier:errno=1"))
		inside := 0
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for range 50 {
					l.Lock()
					inside++
					l.Unlock()
				}
			})
		}
		all.Wait()
		require.Equal(t, 150, inside)
	}
}
