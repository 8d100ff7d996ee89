//go:build linux && amd64

package channel_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

// repair brings a damaged channel back, takes what is left, gives memory back, and ends it.
func repair(ctx context.Context, _ *shmtest.Conn) (err error) {
	channel.EagerToGiveBack()
	ch, err := channel.Open(ctx, "q", channel.OpenOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ch.Close()) }()
	if err := mend(ctx, ch); err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	if _, err := rx.RecvAppend(ctx, nil); err != nil {
		return err
	}
	if err := ch.Seal("enough"); err != nil {
		return err
	}
	if err := ch.Drain(ctx, nil); err != nil {
		return err
	}
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	return err
}

// broken leaves a channel in ERROR, with one of three messages damaged. Afterwards anybody
// repairs it, if that is still to be done, and ends it.
func broken(t *testing.T) (func(string), func()) {
	t.Helper()
	ctx := t.Context()
	o := small(channel.Persistent)
	o.Slots = 256 // some pages
	ch, err := channel.Create(ctx, "q", o)
	require.NoError(t, err)
	tx, rx := pair(t, ch)
	_, err = tx.SendBatch(ctx, [][]byte{[]byte("a"), []byte("b"), []byte("c")})
	require.NoError(t, err)
	layout.Word(ch.View().Slots, uint64(ch.View().SlotSize)).Store(0xdead_beef_dead_beef)
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrCorrupt)
	require.Equal(t, "a", string(m.Bytes()))
	m.Release()
	require.Equal(t, state.Error, ch.State())
	require.NoError(t, ch.Close())
	return func(string) {}, func() {
		ch, err := channel.Open(ctx, "q", channel.OpenOptions{})
		if errors.Is(err, fs.ErrNotExist) {
			return // it was ended
		}
		require.NoError(t, err)
		if s := ch.State(); s == state.Error || s == state.Recovering {
			require.NoError(t, mend(ctx, ch))
		}
		rx, err := ch.Receiver(ctx)
		require.NoError(t, err)
		require.Regexp(t, "^c?$", receive(t, rx), "what was whole, and not taken")
		_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
		require.NoError(t, err)
		require.NoError(t, ch.Close())
	}
}
