//go:build fault && linux && amd64 && !race

package channel_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/internal/shmtest"
)

func init() { children["handles at once"] = childHandlesAtOnce }

// The kernel takes some milliseconds to register a process for membarrier. Nobody waits for
// that, neither for a handle nor for its turn.
func TestNoHandleWaitsForTheRegistrationOfItsProcess(t *testing.T) {
	begin(t)
	t.Setenv(fault.EnvVar, "membarrier.register:sleep=1h")
	child := shmtest.Start(t, "handles at once")
	t.Setenv(fault.EnvVar, "")
	child.Expect("done")
	require.NoError(t, child.Wait())
}

func childHandlesAtOnce(c *shmtest.Conn, _ []string) error {
	ctx := context.Background()
	ch, err := channel.Create(ctx, "q", channel.Options{})
	if err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	l := new(channel.Latch)
	l.MakeBiased()
	l.Lock()
	var waiter sync.WaitGroup
	waiter.Go(func() {
		l.Lock()   // revokes the bias
		l.Unlock() //nolint:staticcheck // to get it is what matters
	})
	for range 1000 {
		runtime.Gosched()
	}
	l.Unlock()
	waiter.Wait()
	c.Say("done")
	if err := tx.Close(); err != nil {
		return err
	}
	if _, err := ch.Shutdown(ctx, channel.ShutdownOptions{}); err != nil {
		return err
	}
	return ch.Close()
}

// A seccomp profile may come into force after a latch was made biased.
func TestLatchIsRevokedAlsoWhereTheBarrierIsForbiddenMeanwhile(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	channel.ImpatientLatches(t)
	t.Cleanup(func() { _ = fault.SetRules("") })
	for range 200 {
		l := new(channel.Latch)
		l.MakeBiased()
		require.NoError(t, fault.SetRules("membarrier.all:errno=1"))
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
