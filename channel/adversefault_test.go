//go:build fault

package channel_test

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() {
	children["adverse-force-and-die"] = childForceAndDie
	children["adverse-seal-and-wait"] = childSealAndWait
	children["adverse-open"] = childOpen
	children["adverse-two-closers"] = childTwoClosers
}

// at runs f once, at the n-th hit of a fault point.
func at(t testing.TB, point string, n int64, f func()) {
	t.Helper()
	var hits atomic.Int64
	fault.SetHook(func(name string) {
		if name == point && hits.Add(1) == n {
			f()
		}
	})
	t.Cleanup(func() { fault.SetHook(nil) })
}

// The receiver saw the end of a ring that was sealed; before it looks at the state.
// the seal is rolled back, a message is accepted, and the ring is sealed once more.
func TestEndOfARolledBackSealIsNoEOF(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	other, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	tx, err := other.Sender(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, []byte("1")))
	require.NoError(t, tx.Send(ctx, []byte("2")))
	a, err := rx.Recv(ctx)
	require.NoError(t, err)
	b, err := rx.Recv(ctx)
	require.NoError(t, err)
	a.Release() // moves the head, unpublished while b is held
	require.NoError(t, other.Seal("first"))
	at(t, "ring.publish.begin", 1, func() { // inside Next, after it has read the sealed tail
		short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		defer cancel()
		_, err := other.Shutdown(short, channel.ShutdownOptions{AtDeadline: channel.Rollback})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, state.Active, other.State())
		require.NoError(t, tx.Send(ctx, []byte("late")), "acknowledged")
		require.NoError(t, other.Seal("second"))
	})
	m, err := rx.TryRecv()
	if errors.Is(err, channel.ErrEmpty) {
		m, err = rx.TryRecv()
	}
	n := rx.Len()
	if err == nil {
		m.Release()
	}
	b.Release()
	_ = other.Close()
	_ = ch.Close()
	_ = os.Remove(ch.Path())
	require.NotEqual(t, io.EOF, err, "with %d message behind it", n)
	require.NoError(t, err)
}

// The receiver ends the drain while a rollback has decided but not yet moved.
func TestRollbackThatLosesAgainstTheLastMessageLeavesCLOSING(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	other, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	tx, err := other.Sender(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, []byte("last")))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	at(t, "state.move.recorded", 2, func() { // 1: DRAINING, 2: ERROR
		_, err := rx.TryRecv()
		require.Equal(t, io.EOF, err)
	})
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	r, err := other.Shutdown(short, channel.ShutdownOptions{AtDeadline: channel.Rollback})
	t.Logf("%+v %v", r, err)
	got := other.State()
	m.Release()
	_ = other.Close()
	_ = ch.Close()
	require.Equal(t, state.Closing, got, "%v", err)
}

// The receiver that did that is told ERROR instead of the end.
func TestRollbackThatLosesLeavesTheReceiverItsEOF(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	other, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	tx, err := other.Sender(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, []byte("last")))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	var phase atomic.Int32
	var moves atomic.Int32
	finished, resume := make(chan struct{}), make(chan struct{})
	result := make(chan error, 1)
	fault.SetHook(func(name string) {
		switch {
		case name == "state.move.recorded" && moves.Add(1) == 2:
			phase.Store(1)
			go func() { _, err := rx.TryRecv(); result <- err }()
			<-finished
		case name == "futex.signal.before" && phase.CompareAndSwap(1, 2): // after Finish
			close(finished)
			<-resume
		}
	})
	defer fault.SetHook(nil)
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	_, err = other.Shutdown(short, channel.ShutdownOptions{AtDeadline: channel.Rollback})
	t.Log(err)
	close(resume)
	err = <-result
	m.Release()
	_ = other.Close()
	_ = ch.Close()
	require.Equal(t, io.EOF, err)
}

func childSealAndWait(c *shmtest.Conn, args []string) error {
	ch, err := channel.Create(context.Background(), args[0], channel.Options{})
	if err != nil {
		return err
	}
	if err := ch.Seal("going down"); err != nil {
		return err
	}
	c.Say("sealed")
	c.Hear()
	return nil
}

func TestTwoOpenOrCreateOfALeftoverBothGetALiveChannel(t *testing.T) {
	ctx := begin(t)
	child := shmtest.Start(t, "adverse-seal-and-wait", "q")
	child.Expect("sealed")
	child.Kill()
	both := make(chan struct{})
	var hits atomic.Int32
	fault.SetHook(func(name string) { // the first waits for the second, if that gets so far
		if name != "shm.open.locked" {
			return
		}
		switch hits.Add(1) {
		case 1:
			select {
			case <-both:
			case <-time.After(300 * time.Millisecond):
			}
		case 2:
			close(both)
		}
	})
	defer fault.SetHook(nil)
	type result struct {
		ch  *channel.Channel
		err error
	}
	results := make(chan result)
	for range 2 {
		go func() {
			ch, err := channel.OpenOrCreate(ctx, "q", channel.Options{})
			results <- result{ch, err}
		}()
	}
	a, b := <-results, <-results
	require.NoError(t, a.err)
	require.NoError(t, b.err)
	sa, sb := a.ch.State(), b.ch.State()
	t.Log(a.ch.Replaced(), b.ch.Replaced())
	require.NoError(t, a.ch.Close())
	require.NoError(t, b.ch.Close())
	require.Equal(t, state.Active, sa)
	require.Equal(t, state.Active, sb)
}

func childForceAndDie(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	return err
}

func TestShutdownAfterAKilledForceCountsTheRest(t *testing.T) {
	for _, point := range []string{
		"channel.force.closing", "channel.shutdown.closing", "ring.publish.begin",
	} {
		t.Run(point, func(t *testing.T) {
			ctx := begin(t)
			ch := newChannel(t, channel.Options{})
			tx, err := ch.Sender(ctx)
			require.NoError(t, err)
			for range 5 {
				require.NoError(t, tx.Send(ctx, []byte("acked")))
			}
			t.Setenv(fault.EnvVar, point+":kill")
			child := shmtest.Start(t, "adverse-force-and-die", "q")
			require.Error(t, child.Wait())
			got := 0
			r, err := ch.Shutdown(ctx, channel.ShutdownOptions{
				AtDeadline: channel.Force, Discarded: func([]byte) { got++ },
			})
			t.Logf("%+v, handed %d, total %d", r, got, ch.Stats().Discarded)
			require.NoError(t, err)
			s := ch.Stats()
			require.NoError(t, ch.Close())
			_ = os.Remove(ch.Path())
			require.GreaterOrEqual(t, s.Discarded+s.NotDelivered, uint64(5), "delivered or counted")
		})
	}
}

func TestReportOfAForceHasWhatAFastReceiverCounted(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	for range 3 {
		require.NoError(t, tx.Send(ctx, []byte("acked")))
	}
	at(t, "channel.force.closing", 1, func() {
		_, err := rx.TryRecv()
		var d *channel.DiscardedError
		require.ErrorAs(t, err, &d)
		require.EqualValues(t, 3, d.N)
	})
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	r, err := ch.Shutdown(short, channel.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	require.EqualValues(t, 3, r.Discarded)
}

func childTwoClosers(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	filling, fill := make(chan struct{}), make(chan struct{})
	waking, wake := make(chan struct{}), make(chan struct{})
	sent, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		sent <- tx.SendFunc(ctx, 8, func([]byte) (int, error) {
			close(filling)
			<-fill
			return 8, nil
		})
	}()
	<-filling
	var hits atomic.Int32
	fault.SetHook(func(name string) {
		if name == "futex.signal.before" && hits.Add(1) == 1 {
			close(waking)
			<-wake
		}
	})
	go func() { closed <- tx.Close() }()
	<-waking // it has marked the sender closed and is about to wake its calls
	close(fill)
	if err := <-sent; err != nil {
		return err
	}
	if err := ch.Close(); err != nil {
		return err
	}
	close(wake)
	if err := <-closed; err != nil {
		return err
	}
	c.Say("survived")
	return nil
}

func TestTwoClosersBesideASendFunc(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	child := shmtest.Start(t, "adverse-two-closers", "q")
	line, _ := child.Hear()
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	drain(t, rx)
	_ = ch.Close()
	if line != "survived" {
		s := child.Wait().Error()
		t.Fatal(s[:min(1500, len(s))])
	}
}

// blind makes the next attachment one without death notices.
func blind(t testing.TB) {
	t.Helper()
	require.NoError(t, fault.SetRules("shm.notify.init:errno=24"))
	t.Cleanup(func() { _ = fault.SetRules("") })
}

func TestADeathThatRecoverSettledIsTold(t *testing.T) {
	ctx := begin(t)
	blind(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "send-some-and-wait", "q")
	child.Expect("sent 3")
	require.Equal(t, 3, drain(t, rx))
	child.Kill()
	require.NoError(t, mend(ctx, ch))
	short, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_, err = rx.Recv(short)
	require.NoError(t, ch.Close())
	require.ErrorIs(t, err, channel.ErrPeerDead)
}

func childOpen(c *shmtest.Conn, args []string) error {
	ch, err := channel.Open(context.Background(), args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	return ch.Close()
}

func TestADeathIsToldOnceAlsoIfItsSettlerDies(t *testing.T) {
	ctx := begin(t)
	blind(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "send-some-and-wait", "q")
	child.Expect("sent 3")
	child.Kill()
	t.Setenv(fault.EnvVar, "channel.settle.dead:kill")
	require.Error(t, shmtest.Start(t, "adverse-open", "q").Wait())
	told := 0
	look := func() {
		for {
			m, err := rx.TryRecv()
			switch {
			case err == nil:
				m.Release()
				continue
			case errors.Is(err, channel.ErrPeerDead):
				told++
				continue
			}
			require.ErrorIs(t, err, channel.ErrEmpty)
			return
		}
	}
	look()
	t.Setenv(fault.EnvVar, "")
	require.NoError(t, shmtest.Start(t, "adverse-open", "q").Wait())
	look()
	require.NoError(t, ch.Close())
	require.Equal(t, 1, told)
}

func TestUnlinkedSegmentIsNoticedWithoutInotify(t *testing.T) {
	blind(t)
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	require.NoError(t, os.Remove(ch.Path()))
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrOrphaned)
	require.NoError(t, ch.Close())
}
