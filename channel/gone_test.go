//go:build linux

package channel_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/ring"
)

// TestMemoryThatGoesAsAWaitFallsAsleepIsAnError has the file cut between the last look and the
// announcement of the sleep.
func TestMemoryThatGoesAsAWaitFallsAsleepIsAnError(t *testing.T) {
	bearable(t, "truncate")
	ctx := begin(t)
	for name, pages := range map[string]int64{"all": 0, "all but the header": 1} {
		t.Run(name, func(t *testing.T) {
			ch, rx := guarded(t, "q", nil)
			other, orx := guarded(t, "other", nil)
			i, err := channel.Wait(ctx, rx, channel.Meanwhile(orx, func() {
				require.NoError(t, os.Truncate(ch.Path(), pages*layout.PageSize))
			}))
			require.ErrorIs(t, err, channel.ErrFault)
			require.Equal(t, -1, i)
			require.NoError(t, other.Close())
		})
	}
}

// TestRefusalOfMemoryThatGoesMeanwhileIsAnError has the file cut after the ring refused a message,
// and before a sender has asked why.
func TestRefusalOfMemoryThatGoesMeanwhileIsAnError(t *testing.T) {
	bearable(t, "truncate")
	begin(t)
	ch, _ := guarded(t, "q", nil)
	tx, err := ch.TrySender()
	require.NoError(t, err)
	require.NoError(t, os.Truncate(ch.Path(), 0))
	require.ErrorIs(t, tx.Explain(ring.ErrSealed), channel.ErrFault)
	require.ErrorIs(t, tx.Explain(&ring.CorruptError{Code: layout.PoisonTail}), channel.ErrFault)
}

// TestCopyOfAMessageWhoseMemoryIsGoneIsAnError cuts off the arena: the message is there, and what
// is in it is not.
func TestCopyOfAMessageWhoseMemoryIsGoneIsAnError(t *testing.T) {
	bearable(t, "truncate")
	for name, read := range map[string]func(context.Context, *channel.Receiver) error{
		"RecvAppend": func(ctx context.Context, rx *channel.Receiver) error {
			_, err := rx.RecvAppend(ctx, nil)
			return err
		},
		"Reader": func(ctx context.Context, rx *channel.Receiver) error {
			r := channel.NewReader(ctx, rx)
			_, err := r.Read(make([]byte, 10))
			return errors.Join(err, r.Close())
		},
		"Forward": func(ctx context.Context, rx *channel.Receiver) error {
			return channel.Forward(ctx, rx, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := begin(t)
			o := damageOptions
			o.Guard, o.Checksums = true, false // who checks sums meets it before
			ch, err := channel.Create(ctx, "q", o)
			require.NoError(t, err)
			tx, rx := pair(t, ch)
			require.NoError(t, tx.Send(ctx, make([]byte, 1000)))
			require.NoError(t, os.Truncate(ch.Path(), int64(ch.View().ArenaOff)))
			require.ErrorIs(t, read(ctx, rx), channel.ErrFault)
			require.NoError(t, ch.Close())
			require.NoError(t, os.Remove(ch.Path()))
		})
	}
}
