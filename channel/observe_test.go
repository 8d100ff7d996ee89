package channel_test

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() { children["hold-roles"] = childHoldRoles }

// childHoldRoles takes the role of a sender, and keeps it until told otherwise.
func childHoldRoles(c *shmtest.Conn, _ []string) error {
	ch, tx, err := childSender("q")
	if err != nil {
		return err
	}
	c.Say("ready")
	if c.Hear() == "leave" {
		return errors.Join(tx.Close(), ch.Close())
	}
	return errors.New("told to go on")
}

func TestWatchTellsStatesArrivalsDeparturesAndDeaths(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	changes := make(chan channel.Change, 64)
	ended := make(chan error, 1)
	go func() {
		defer close(ended)
		for c, err := range ch.Watch(ctx) {
			if err != nil {
				ended <- err
				return
			}
			changes <- c
		}
	}()
	next := func() channel.Change {
		t.Helper()
		select {
		case c := <-changes:
			return c
		case err := <-ended:
			t.Fatalf("the watch ended: %v", err)
			return channel.Change{}
		}
	}
	c := next()
	require.Equal(t, channel.Joined, c.Kind, "who is there comes first")
	require.Equal(t, layout.RoleReceiver, c.Role)
	c = next()
	require.Equal(t, channel.StateChanged, c.Kind)
	require.Equal(t, state.Active, c.State)

	child := shmtest.Start(t, "hold-roles")
	child.Expect("ready")
	c = next()
	require.Equal(t, channel.Joined, c.Kind)
	require.EqualValues(t, child.PID(), c.PID)
	require.Equal(t, layout.RoleSender, c.Role)
	joined := c.Instance
	child.Say("leave")
	require.NoError(t, child.Wait())
	c = next()
	require.Equal(t, channel.Left, c.Kind)
	require.Equal(t, joined, c.Instance)

	child = shmtest.Start(t, "hold-roles")
	child.Expect("ready")
	require.Equal(t, channel.Joined, next().Kind)
	child.Kill()
	c = next()
	require.Equal(t, channel.Died, c.Kind)
	require.EqualValues(t, child.PID(), c.PID)

	require.NoError(t, ch.Seal("for the watch"))
	c = next()
	require.Equal(t, state.Draining, c.State)
	require.Equal(t, "for the watch", c.Reason)
	require.EqualValues(t, os.Getpid(), c.PID)
	for _, err := range rx.Messages(ctx) {
		require.ErrorIs(t, err, channel.ErrPeerDead)
	}
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, <-ended, "CLOSED ends it silently")
	require.NoError(t, ch.Close())
}

func TestWatchEndsWithItsContextAndWithClose(t *testing.T) {
	channel.NoSlices()
	begin(t)
	ch := newChannel(t, channel.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range ch.Watch(ctx) {
		cancel()
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
	last = nil
	closed := make(chan error, 1)
	for _, err := range ch.Watch(t.Context()) {
		last = err
		if err == nil {
			go func() { closed <- ch.Close() }()
		}
	}
	require.ErrorIs(t, last, channel.ErrClosed)
	require.NoError(t, <-closed)
	for _, err := range ch.Watch(t.Context()) {
		require.ErrorIs(t, err, channel.ErrClosed)
	}
}

func TestReadOnlyAttachmentObservesAndDisturbsNobody(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("x")))
	seen, err := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
	require.NoError(t, err)
	require.Equal(t, state.Active, seen.State())
	require.EqualValues(t, 1, seen.Stats().Depth)
	require.Len(t, seen.Participants(), 2)
	require.Empty(t, seen.History())
	require.Empty(t, seen.Reason())
	for c, err := range seen.Watch(ctx) {
		require.NoError(t, err)
		if c.Kind == channel.StateChanged {
			break
		}
	}
	_, err = seen.Sender(ctx)
	require.ErrorIs(t, err, channel.ErrState)
	_, err = seen.TryReceiver()
	require.ErrorIs(t, err, channel.ErrState)
	require.ErrorIs(t, seen.Seal("no"), channel.ErrState)
	require.ErrorIs(t, seen.Drain(ctx, nil), channel.ErrState)
	require.ErrorIs(t, mend(ctx, seen), channel.ErrState)
	_, err = seen.Shutdown(ctx, channel.ShutdownOptions{})
	require.ErrorIs(t, err, channel.ErrState)
	ch.Control().Poison.Code.Store(uint32(layout.PoisonTail))
	require.Equal(t, state.Active, seen.State(), "an observer repairs nothing")
	ch.Control().Poison.Code.Store(0)
	require.Equal(t, 1, drain(t, rx))
	require.NoError(t, ch.Close())
	require.NoError(t, seen.Close())
	_, err = channel.Create(ctx, "q", channel.Options{OpenOptions: channel.OpenOptions{
		ReadOnly: true,
	}})
	require.Error(t, err)
}

func TestParticipantsSayWhatTheyDo(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 4})
	tx, rx := pair(t, ch)
	done := tx.Busy("loading the model", time.Minute)
	l, err := tx.Reserve(ctx, 10)
	require.NoError(t, err)
	find := func(role layout.Role) channel.Participant {
		t.Helper()
		all := ch.Participants()
		i := slices.IndexFunc(all, func(p channel.Participant) bool { return p.Role == role })
		require.GreaterOrEqual(t, i, 0)
		return all[i]
	}
	p := find(layout.RoleSender)
	require.EqualValues(t, os.Getpid(), p.PID)
	require.True(t, p.Alive)
	require.Contains(t, p.Busy, "loading the model")
	require.EqualValues(t, 1, p.Reserved)
	require.EqualValues(t, 1, p.Held)
	_, err = rx.Recv(short(t))
	require.ErrorContains(t, err, "reserved and not committed")
	require.ErrorContains(t, err, "loading the model")
	done()
	require.NoError(t, l.Commit(3))
	require.Empty(t, find(layout.RoleSender).Busy)
	_, err = rx.RecvAppend(ctx, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, find(layout.RoleReceiver).Messages)
	s := ch.Stats()
	require.EqualValues(t, 1, s.Sent)
	require.EqualValues(t, 3, s.SentBytes)
	require.EqualValues(t, 1, s.Received)
	require.EqualValues(t, 3, s.ReceivedBytes)
	require.Equal(t, 1, s.Senders)
	require.Equal(t, 1, s.Receivers)
	require.EqualValues(t, 4, s.Slots)
	require.NoError(t, ch.Close())
}

func TestRolesAreTakenInTurn(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Kind: channel.SPSC})
	child := shmtest.Start(t, "hold-roles")
	child.Expect("ready")
	_, err := ch.TrySender()
	require.ErrorIs(t, err, channel.ErrBusy)
	_, err = ch.Sender(short(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	got := make(chan error, 1)
	go func() {
		tx, err := ch.Sender(ctx)
		if err == nil {
			err = tx.Close()
		}
		got <- err
	}()
	child.Kill()
	require.NoError(t, <-got, "the death of the holder frees the role")
	require.NoError(t, ch.Close())
}

func TestNamelessChannelIsHandedToAChildAndLeavesNothing(t *testing.T) {
	ctx := begin(t)
	ch, err := channel.Create(ctx, "", channel.Options{Nameless: true})
	require.NoError(t, err)
	require.Empty(t, ch.Name())
	require.Empty(t, ch.Path())
	f, err := ch.File()
	require.NoError(t, err)
	child := shmtest.StartFiles(t, "nameless", []*os.File{f})
	require.NoError(t, f.Close())
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "from a child", string(m.Bytes()))
	m.Release()
	child.Kill()
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrPeerDead, "deaths are noticed without a name")
	entries, err := os.ReadDir(os.Getenv(shmtest.EnvDir))
	require.NoError(t, err)
	require.Empty(t, entries)
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	_, err = rx.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, ch.Close())
}

func init() {
	children["nameless"] = func(c *shmtest.Conn, _ []string) error {
		ch, err := channel.OpenFile(os.NewFile(3, "handed over"), channel.OpenOptions{})
		if err != nil {
			return err
		}
		tx, err := ch.Sender(context.Background())
		if err != nil {
			return err
		}
		if err := tx.Send(context.Background(), []byte("from a child")); err != nil {
			return err
		}
		c.Hear()
		return errors.New("told to go on")
	}
}

func TestUnlinkedUnderAnAttachmentIsReportedToWaiters(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	got := make(chan error, 1)
	go func() {
		_, err := rx.Recv(ctx)
		got <- err
	}()
	awaitWaiting(t, ch, "data")
	require.NoError(t, os.Remove(ch.Path()))
	require.ErrorIs(t, <-got, channel.ErrOrphaned)
	require.NoError(t, ch.Close())
}
