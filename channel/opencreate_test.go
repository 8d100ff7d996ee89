package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() {
	children["leave-behind"] = childLeaveBehind
	children["open-or-create"] = childOpenOrCreate
}

// childLeaveBehind makes a channel with some messages, maybe seals it, and waits to be
// killed: the segment stays without anybody.
func childLeaveBehind(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Create(ctx, "q", channel.Options{Slots: 16})
	if err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	for i := range len(args[0]) {
		if err := tx.Send(ctx, []byte{args[0][i]}); err != nil {
			return err
		}
	}
	if args[1] == "seal" {
		if err := ch.Seal("left sealed"); err != nil {
			return err
		}
	}
	c.Say("left")
	c.Hear()
	return errors.New("told to go on")
}

// leaveBehind leaves a segment that nobody is attached to.
func leaveBehind(t *testing.T, messages, then string) {
	t.Helper()
	child := shmtest.Start(t, "leave-behind", messages, then)
	child.Expect("left")
	child.Kill()
}

func TestOpenOrCreateByWhatItFinds(t *testing.T) {
	for _, tc := range []struct {
		name     string
		messages string
		then     string
		slots    int
		replaced string
		err      error
		state    state.State
		got      int
	}{
		{
			name: "active, unread: taken over", messages: "abc", slots: 16,
			state: state.Active, got: 3,
		},
		{name: "active, empty: taken over", slots: 16, state: state.Active},
		{
			name: "active, unread, other geometry: refused", messages: "a", slots: 32,
			err: channel.ErrLayout,
		},
		{
			name: "active, empty, other geometry: replaced", slots: 32, state: state.Active,
			replaced: "16 slots",
		},
		{
			name: "sealed, unread: opened", messages: "ab", then: "seal", slots: 16,
			state: state.Draining, got: 2,
		},
		{
			name: "sealed, empty: replaced", then: "seal", slots: 16, state: state.Active,
			replaced: "DRAINING",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := begin(t)
			leaveBehind(t, tc.messages, tc.then)
			ch, err := channel.OpenOrCreate(ctx, "q", channel.Options{Slots: tc.slots})
			if tc.err != nil {
				require.ErrorIs(t, err, tc.err)
				require.ErrorContains(t, err, "16 slots")
				require.ErrorContains(t, err, "32 slots", "both geometries are named")
				require.ErrorIs(t, channel.Remove(ctx, "q", channel.RemoveOptions{}),
					channel.ErrBusy, "unread messages are spared")
				require.NoError(t, channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true}))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.state, ch.State())
			require.Contains(t, ch.Replaced(), tc.replaced)
			require.Equal(t, tc.replaced == "", ch.Replaced() == "")
			rx, err := ch.Receiver(ctx)
			require.NoError(t, err)
			require.Equal(t, tc.got, drainAll(rx))
			require.NoError(t, ch.Close())
		})
	}
}

func TestOpenOrCreateBesideALivingAttachment(t *testing.T) {
	ctx := begin(t)
	first := newChannel(t, channel.Options{Slots: 16})
	second, err := channel.OpenOrCreate(ctx, "q", channel.Options{Slots: 16})
	require.NoError(t, err)
	require.Equal(t, first.Instance(), second.Instance())
	_, err = channel.OpenOrCreate(ctx, "q", channel.Options{Slots: 32})
	require.ErrorIs(t, err, channel.ErrLayout)
	require.NoError(t, first.Seal("end"))
	third, err := channel.OpenOrCreate(ctx, "q", channel.Options{Slots: 16})
	require.NoError(t, err, "any state but CLOSED is opened while somebody is there")
	require.Equal(t, state.Draining, third.State())
	require.NoError(t, third.Close())
	_, err = first.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err)
	fresh, err := channel.OpenOrCreate(ctx, "q", channel.Options{Slots: 32})
	require.NoError(t, err, "the name is free although the old segment is still in use")
	require.NotEqual(t, first.Instance(), fresh.Instance())
	for _, ch := range []*channel.Channel{first, second, fresh} {
		require.NoError(t, ch.Close())
	}
}

func TestCreateOnATakenNameAndOpenOfNone(t *testing.T) {
	ctx := begin(t)
	_, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	ch := newChannel(t, channel.Options{})
	_, err = channel.Create(ctx, "q", channel.Options{})
	require.ErrorIs(t, err, fs.ErrExist)
	require.NoError(t, ch.Close())
	for _, name := range []string{"", ".x", "a/b", "ü", "../x"} {
		_, err := channel.Create(ctx, name, channel.Options{})
		require.ErrorIs(t, err, fs.ErrInvalid, name)
		_, err = channel.OpenOrCreate(ctx, name, channel.Options{})
		require.Error(t, err, name)
	}
	for _, o := range []channel.Options{
		{Slots: 3},
		{Slots: -1},
		{SlotSize: 8},
		{SlotSize: 8192},
		{ArenaBytes: 100},
		{MaxParticipants: 1},
		{Mode: os.ModeDir},
		{Kind: 9},
		{SlotSize: 16, Checksums: true},
	} {
		_, err := channel.Create(ctx, "q", o)
		require.ErrorIs(t, err, channel.ErrLayout, "%+v", o)
	}
}

func TestOpenWaitsUntilTheNameExists(t *testing.T) {
	ctx := begin(t)
	_, err := channel.Open(short(t), "q", channel.OpenOptions{Wait: true})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	opened := make(chan error, 1)
	go func() {
		ch, err := channel.Open(ctx, "q", channel.OpenOptions{Wait: true})
		if err == nil {
			err = ch.Close()
		}
		opened <- err
	}()
	time.Sleep(10 * time.Millisecond) // most often it waits already
	ch := newChannel(t, channel.Options{})
	require.NoError(t, <-opened)
	require.NoError(t, ch.Close())
}

func childOpenOrCreate(c *shmtest.Conn, args []string) error {
	c.Hear()
	ch, err := channel.OpenOrCreate(context.Background(), "q", channel.Options{Slots: 16})
	if err != nil {
		return err
	}
	c.Say("%x", ch.Instance())
	c.Hear()
	return ch.Close()
}

func TestManyWhoOpenOrCreateAtOnceMeet(t *testing.T) {
	begin(t)
	const many = 8
	for range 3 {
		procs := make([]*shmtest.Child, many)
		for i := range procs {
			procs[i] = shmtest.Start(t, "open-or-create")
		}
		for _, c := range procs {
			c.Say("go")
		}
		seen := make(map[string]bool)
		for _, c := range procs {
			id, ok := c.Hear()
			require.True(t, ok, "a child ended early: %v", c)
			seen[id] = true
		}
		require.Len(t, seen, 1, "one winner, the others attach")
		for _, c := range procs {
			c.Say("close")
		}
		for _, c := range procs {
			require.NoError(t, c.Wait())
		}
	}
}

func TestOpenCloseStormInOneProcess(t *testing.T) {
	ctx := begin(t)
	var group sync.WaitGroup
	errs := make(chan error, 8)
	for i := range 8 {
		group.Go(func() {
			for range 50 {
				ch, err := channel.OpenOrCreate(ctx, "q", channel.Options{Slots: 16})
				if err != nil {
					errs <- fmt.Errorf("%d: %w", i, err)
					return
				}
				if err := ch.Close(); err != nil {
					errs <- fmt.Errorf("%d: %w", i, err)
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func TestLifetimes(t *testing.T) {
	ctx := begin(t)
	ch, err := channel.Create(ctx, "q", channel.Options{Lifetime: channel.Persistent})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	_, err = os.Stat(ch.Path())
	require.NoError(t, err, "persistent: stays")
	require.NoError(t, channel.Remove(ctx, "q", channel.RemoveOptions{}))

	ch, err = channel.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, []byte("unread")))
	require.ErrorIs(t, channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true}),
		channel.ErrBusy, "never under somebody")
	require.NoError(t, ch.Close())
	entries, err := channel.List("")
	require.NoError(t, err)
	require.Len(t, entries, 1, "ephemeral with an unread message: stays")
	require.Equal(t, "q", entries[0].Name)
	require.False(t, entries[0].Attached)
	ch, err = channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, drain(t, rx))
	require.NoError(t, ch.Close())
	_, err = os.Stat(ch.Path())
	require.ErrorIs(t, err, fs.ErrNotExist, "ephemeral and read: gone with the last")
	require.ErrorIs(t, channel.Remove(ctx, "q", channel.RemoveOptions{}), fs.ErrNotExist)
}
