//go:build fault

package channel_test

import (
	"context"
	"fmt"
	"io/fs"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

func init() {
	victims["signaller"] = victimSignaller
	victims["eventwaiter"] = victimEventWaiter
	victims["eventopener"] = victimEventOpener
}

// victimSignaller signals values of its own, and tells which sequence each had.
func victimSignaller(ctx context.Context, name string, acked *atomic.Uint64) error {
	e, err := channel.OpenEvent(ctx, name, channel.OpenOptions{})
	if err != nil {
		return err
	}
	for i := range uint64(6) {
		seq, err := e.Signal(signalValue(1, 100+i))
		if err != nil {
			return err
		}
		acked.Store(seq)
	}
	return e.Close()
}

// TestKillOfASignallerAtEveryPoint: whatever it had begun, the value is old or new and
// whole, what it was acknowledged is there, a sleeper is woken, and others go on.
func TestKillOfASignallerAtEveryPoint(t *testing.T) {
	killEverywhere(t, "signaller", func(t *testing.T, v *victim) {
		t.Helper()
		ctx := begin(t)
		e, err := channel.CreateEvent(ctx, "q", channel.EventOptions{MaxParticipants: 4})
		require.NoError(t, err)
		_, err = e.Signal(signalValue(2, 0))
		require.NoError(t, err)
		v.start(t)
		type result struct {
			seq uint64
			err error
		}
		got := make(chan result, 1)
		go func() { // sleeps until this process signals: it must miss nothing
			r := result{seq: 1}
			for r.err == nil {
				var value []byte
				r.seq, value, r.err = e.Wait(ctx, r.seq)
				if r.err == nil {
					r.err = checkSignal(value)
				}
				if r.err == nil && value[0] == 3 {
					break
				}
			}
			got <- r
		}()
		v.await(t)
		seq, value, err := e.Load()
		require.NoError(t, err)
		require.NoError(t, checkSignal(value))
		require.GreaterOrEqual(t, seq, v.acked.Load())
		require.LessOrEqual(t, seq, max(v.acked.Load(), 1)+1)

		// A successor takes the dead one's place, and the published value stays until its own.
		next, err := channel.OpenEvent(ctx, "q", channel.OpenOptions{})
		require.NoError(t, err)
		again, same, err := next.Load()
		require.NoError(t, err)
		require.Equal(t, seq, again)
		require.Equal(t, value, same)
		for i := range uint64(2*layout.EventPerPlace + 1) {
			mine, err := next.Signal(signalValue(3, i))
			require.NoError(t, err)
			require.Equal(t, seq+i+1, mine)
		}
		r := <-got
		require.NoError(t, r.err)
		require.Greater(t, r.seq, seq)
		require.NoError(t, next.Close())
		require.NoError(t, e.Close())
	})
}

// TestWaiterIsWokenByAKilledSignaller kills between the publication and the wake-up.
func TestWaiterIsWokenByAKilledSignaller(t *testing.T) {
	channel.NoSlices()
	for _, point := range []string{
		"channel.event.published", "futex.signal.before", "futex.signal.bumped",
	} {
		t.Run(point, func(t *testing.T) {
			ctx := begin(t)
			e, err := channel.CreateEvent(ctx, "q", channel.EventOptions{})
			require.NoError(t, err)
			done := make(chan error, 1)
			go func() {
				seq, value, err := e.Wait(ctx, 0)
				if err == nil && (seq != 1 || string(value) != string(signalValue(1, 100))) {
					err = fmt.Errorf("sequence %d, value %q", seq, value)
				}
				done <- err
			}()
			awaitSleepers(t, e, 1)
			hit := 1
			if point != "channel.event.published" {
				hit = wakesOfAnOpen + 1
			}
			v := &victim{role: "signaller", point: point, hit: hit}
			v.start(t)
			v.await(t)
			require.NoError(t, <-done)
			require.Zero(t, v.acked.Load(), "it was killed before its first signal returned")
			require.NoError(t, e.Close())
		})
	}
}

// wakesOfAnOpen is how many broadcasts an open makes: four events at the first look, and
// four when the place is taken.
const wakesOfAnOpen = 8

func victimEventWaiter(ctx context.Context, name string, acked *atomic.Uint64) error {
	e, err := channel.OpenEvent(ctx, name, channel.OpenOptions{Spin: -1})
	if err != nil {
		return err
	}
	for seq := uint64(0); seq < 4; {
		if seq, _, err = e.Wait(ctx, seq); err != nil {
			return err
		}
		acked.Store(seq)
	}
	return e.Close()
}

func TestKillOfAWaiterAtEveryPoint(t *testing.T) {
	killEverywhere(t, "eventwaiter", func(t *testing.T, v *victim) {
		t.Helper()
		ctx := begin(t)
		e, err := channel.CreateEvent(ctx, "q", channel.EventOptions{MaxParticipants: 4})
		require.NoError(t, err)
		v.start(t)
		ended := make(chan error, 1)
		go func() { ended <- v.end() }()
		for i := uint64(0); i < 4; {
			_, err := e.Signal(signalValue(2, i))
			require.NoError(t, err)
			i++
			for v.acked.Load() < i { // it sleeps anew before the next signal, or is dead
				select {
				case err := <-ended:
					require.NoError(t, err)
					ended <- nil
					i = 4
				default:
					shmtest.Yield()
				}
				if i == 4 {
					break
				}
			}
		}
		require.NoError(t, <-ended)
		for len(e.Participants()) != 1 { // the death is noticed, or was a clean close
			shmtest.Yield()
		}
		before := e.Participants()[0].Wakes
		for i := range uint64(10) {
			_, err := e.Signal(signalValue(2, i))
			require.NoError(t, err)
		}
		require.Equal(t, before, e.Participants()[0].Wakes, "the dead one's bit is gone")
		require.NoError(t, e.Close())
	})
}

// victimEventOpener makes the event and is its only holder.
func victimEventOpener(ctx context.Context, name string, _ *atomic.Uint64) error {
	for range 2 {
		e, err := channel.OpenOrCreateEvent(ctx, name, channel.EventOptions{})
		if err != nil {
			return err
		}
		if _, err := e.Signal(signalValue(1, 1)); err != nil {
			return err
		}
		if err := e.Close(); err != nil {
			return err
		}
	}
	return nil
}

func TestKillOfAnEventsOpenerAtEveryPoint(t *testing.T) {
	killEverywhere(t, "eventopener", func(t *testing.T, v *victim) {
		t.Helper()
		ctx := begin(t)
		v.start(t)
		v.await(t)
		e, err := channel.OpenOrCreateEvent(ctx, "q", channel.EventOptions{})
		require.NoError(t, err)
		require.Empty(t, e.Replaced())
		seq, value, err := e.Load()
		require.NoError(t, err)
		require.LessOrEqual(t, seq, uint64(1))
		if seq == 1 {
			require.NoError(t, checkSignal(value))
		}
		_, err = e.Signal(nil)
		require.NoError(t, err)
		require.NoError(t, e.Close())
		err = channel.Remove(ctx, "q", channel.RemoveOptions{})
		require.ErrorIs(t, err, fs.ErrNotExist, "the last close removed it")
	})
}
