//go:build fault

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() { children["live-reserve-killed"] = childReserveKilled }

// childReserveKilled is killed in the middle of a message.
func childReserveKilled(_ *shmtest.Conn, args []string) error {
	_, tx, err := childSender(args[0])
	if err != nil {
		return err
	}
	err = tx.Send(context.Background(), message(3, 0))
	return errors.Join(errors.New("still here"), err)
}

// stopLoser leaves a hole of somebody dead, and a living process that lost the race for that
// very slot and is stopped before it could say so.
func stopLoser(t *testing.T) *shmtest.Child {
	t.Helper()
	loser := startStopping(t, "ring.claim.intent:stop,ring.claim.lost", "live-send-two", "q")
	t.Setenv(fault.EnvVar, "ring.claim.won:kill")
	winner := shmtest.Start(t, "live-reserve-killed", "q")
	t.Setenv(fault.EnvVar, "")
	require.ErrorContains(t, winner.Wait(), "signal: killed")
	loser.Signal(syscall.SIGCONT)
	for !loser.Stopped() {
		require.True(t, loser.Running(), "%v", loser)
		shmtest.Yield()
	}
	return loser
}

// TestStoppedLoserKeepsAHoleOfTheDeadAndIsNamed: its intent may be that of an owner, so nobody
// skips the slot, every wait ends with its context and names it, and when it goes on, or is
// killed, the hole is passed.
func TestStoppedLoserKeepsAHoleOfTheDeadAndIsNamed(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %v", killed), func(t *testing.T) {
			channel.NoSlices()
			ctx := begin(t)
			ch := newChannel(t, channel.Options{})
			tx, rx := pair(t, ch)
			loser := stopLoser(t)
			require.NoError(t, tx.Send(ctx, message(2, 0)))
			for range 2 {
				_, err := rx.Recv(short(t))
				requireStopped(t, err, loser, "reserved and not committed")
			}
			require.Zero(t, ch.Stats().Holes)
			want := []uint64{2, 1, 1}
			if killed {
				want = want[:1]
				loser.Kill()
			} else {
				loser.Signal(syscall.SIGCONT)
				loser.Expect("sent")
			}
			for _, who := range want {
				b, err := rx.RecvAppend(ctx, nil)
				require.NoError(t, err)
				got, _, err := verify(b)
				require.NoError(t, err)
				require.Equal(t, who, got)
			}
			require.EqualValues(t, 1, ch.Stats().Holes)
			loser.Kill()
			require.NoError(t, ch.Close())
		})
	}
}

// TestDrainBehindAStoppedLoserNamesIt: what it would send is refused when it goes on.
func TestDrainBehindAStoppedLoserNamesIt(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	loser := stopLoser(t)
	err = ch.Drain(short(t), nil)
	requireStopped(t, err, loser, "1 slots not drained", "reserved and not committed")
	r, err := ch.Shutdown(short(t), channel.ShutdownOptions{})
	requireStopped(t, err, loser)
	require.Contains(t, r.Waited, whoIs(loser))
	require.Equal(t, state.Draining, ch.State())
	_, err = rx.Recv(short(t))
	requireStopped(t, err, loser, "reserved and not committed")
	loser.Signal(syscall.SIGCONT)
	require.ErrorContains(t, loser.Wait(), "takes no more messages")
	ended := make(chan error, 1)
	go func() { _, err := rx.Recv(ctx); ended <- err }()
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.Error(t, <-ended)
	require.EqualValues(t, 1, ch.Stats().Holes)
	require.NoError(t, ch.Close())
}
