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
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() { children["live-send-two"] = childSendTwo }

// childSendTwo sends two messages through the arena, and waits.
func childSendTwo(c *shmtest.Conn, args []string) error {
	_, tx, err := childSender(args[0])
	if err != nil {
		return err
	}
	for i := range uint64(2) {
		if err := tx.Send(context.Background(), message(1, 17*i)); err != nil {
			return err
		}
	}
	c.Say("sent")
	c.Hear()
	return nil
}

// startStopping starts a child that stops itself at a fault point, and waits until it has.
func startStopping(t *testing.T, point, name string, args ...string) *shmtest.Child {
	t.Helper()
	t.Setenv(fault.EnvVar, point+":stop")
	c := shmtest.Start(t, name, args...)
	t.Setenv(fault.EnvVar, "")
	for !c.Stopped() {
		require.True(t, c.Running(), "%v", c)
		shmtest.Yield()
	}
	return c
}

// TestSenderThatStopsAtAnyStepOfASendIsNotRobbed: a stopped sender's message comes after
// SIGCONT, once, in its place, whatever step it had reached.
func TestSenderThatStopsAtAnyStepOfASendIsNotRobbed(t *testing.T) {
	for _, point := range []string{
		"ring.claim.tail", "ring.claim.intent", "ring.claim.won", "ring.commit.filled",
		"ring.commit.stored", "ring.commit.cleared",
	} {
		t.Run(point, func(t *testing.T) {
			channel.NoSlices()
			ctx := begin(t)
			ch := newChannel(t, channel.Options{})
			tx, rx := pair(t, ch)
			child := startStopping(t, point, "live-send-two", "q")
			require.NoError(t, tx.Send(ctx, message(2, 0)))
			var got []uint64
			for {
				b, err := rx.RecvAppend(short(t), nil)
				if err != nil {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.ErrorContains(t, err, whoIs(child))
					require.ErrorContains(t, err, "stopped")
					break
				}
				who, _, err := verify(b)
				require.NoError(t, err)
				got = append(got, who)
			}
			require.Zero(t, ch.Stats().Holes)
			child.Signal(syscall.SIGCONT)
			child.Expect("sent")
			next := uint64(0)
			for len(got) < 3 {
				b, err := rx.RecvAppend(ctx, nil)
				require.NoError(t, err)
				who, i, err := verify(b)
				require.NoError(t, err)
				if who == 1 {
					require.GreaterOrEqual(t, i, next)
					next = i + 1
				}
				got = append(got, who)
			}
			require.Zero(t, ch.Stats().Holes)
			_, err := rx.TryRecv()
			require.ErrorIs(t, err, channel.ErrEmpty)
			child.Kill()
			require.NoError(t, ch.Close())
			_ = channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true})
		})
	}
}

// TestRecovererThatIsStoppedIsNotTakenOver: it has the control lock. When it goes on, it
// completes its work; if it is evicted instead, the next one does.
func init() {
	children["recover one"] = func(_ *shmtest.Conn, args []string) error {
		ctx := context.Background()
		ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
		if err != nil {
			return err
		}
		return errors.Join(mend(ctx, ch), ch.Close())
	}
}

func TestRecovererThatIsStoppedIsNotTakenOver(t *testing.T) {
	for _, evicted := range []bool{false, true} {
		t.Run(fmt.Sprintf("evicted %v", evicted), func(t *testing.T) {
			ctx := begin(t)
			ch := newChannel(t, channel.Options{})
			tx, err := ch.Sender(ctx)
			require.NoError(t, err)
			require.NoError(t, tx.Send(ctx, []byte("kept")))
			ch.Control().Poison.Code.Store(uint32(layout.PoisonCommit))
			child := startStopping(t, "channel.recover.recovering", "recover one", "q")
			require.Equal(t, state.Recovering, ch.State())
			require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrDraining)
			err = mend(short(t), ch)
			require.ErrorIs(t, err, channel.ErrBusy)
			requireStopped(t, err, child, "to recover since")
			require.Equal(t, state.Recovering, ch.State(), "nobody guessed")
			if evicted {
				r, err := ch.Evict(ctx, child.PID())
				require.NoError(t, err)
				require.Equal(t, child.PID(), r.Killed)
			} else {
				child.Signal(syscall.SIGCONT)
				require.NoError(t, child.Wait())
			}
			require.Equal(t, state.Active, ch.State())
			rx, err := ch.Receiver(ctx)
			require.NoError(t, err)
			require.Equal(t, 1, drain(t, rx))
			require.NoError(t, ch.Close())
		})
	}
}
