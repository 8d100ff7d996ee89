package channel_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

// An intent that could not be becomes, in a recovery, one over all that is reserved, since its
// sender may be filling any of it. If he fills nothing and waits for room, behind a hole of
// the dead, he and the receiver must not wait for each other.
func TestSenderWhoWaitsForRoomStandsBeforeNoHole(t *testing.T) {
	for name, send := range map[string]func(context.Context, *channel.Sender) error{
		"Send": func(ctx context.Context, tx *channel.Sender) error {
			return tx.Send(ctx, []byte("last"))
		},
		"Wait": func(ctx context.Context, tx *channel.Sender) error {
			if _, err := channel.Wait(ctx, tx); err != nil {
				return err
			}
			return tx.TrySend([]byte("last"))
		},
		"TrySend": func(_ context.Context, tx *channel.Sender) error {
			for {
				err := tx.TrySend([]byte("last"))
				if !errors.Is(err, channel.ErrFull) {
					return err
				}
				shmtest.Yield()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := begin(t)
			ch := newChannel(t, channel.Options{Slots: 4})
			tx, rx := pair(t, ch)
			child := shmtest.Start(t, "reserve-and-wait", "q", "1")
			child.Expect("reserved")
			child.Kill()
			for range 3 {
				require.NoError(t, tx.Send(ctx, []byte("x")))
			}
			ch.View().Participants[layout.PlaceSender].Intent.Store(1)
			_, err := rx.TryRecv()
			require.ErrorIs(t, err, channel.ErrCorrupt)
			require.NoError(t, mend(ctx, ch))
			require.Equal(t, state.Active, ch.State())
			sent := make(chan error, 1)
			go func() { sent <- send(ctx, tx) }()
			var got []byte
			for range 4 {
				got, err = rx.RecvAppend(ctx, got)
				require.NoError(t, err)
			}
			require.Equal(t, "xxxlast", string(got))
			require.NoError(t, <-sent)
			require.EqualValues(t, 1, ch.Stats().Holes)
			require.NoError(t, ch.Close())
		})
	}
}
