package channel_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() { children["truncated"] = childTruncated }

// calls are what a program may do with a channel whose file was truncated under it. Each
// is made in a process of its own, which a fault would end.
var calls = map[string]func(context.Context, *channel.Channel, *channel.Sender,
	*channel.Receiver) error{
	"close": func(context.Context, *channel.Channel, *channel.Sender, *channel.Receiver) error {
		return nil
	},
	"send": func(ctx context.Context, _ *channel.Channel, tx *channel.Sender,
		_ *channel.Receiver,
	) error {
		return tx.Send(ctx, []byte("x"))
	},
	"batch": func(ctx context.Context, _ *channel.Channel, tx *channel.Sender,
		_ *channel.Receiver,
	) error {
		_, err := tx.SendBatch(ctx, [][]byte{{1}})
		return err
	},
	"reserve": func(ctx context.Context, _ *channel.Channel, tx *channel.Sender,
		_ *channel.Receiver,
	) error {
		_, err := tx.Reserve(ctx, 1)
		return err
	},
	"recv": func(ctx context.Context, _ *channel.Channel, _ *channel.Sender,
		rx *channel.Receiver,
	) error {
		_, err := rx.Recv(ctx)
		return err
	},
	"try recv": func(_ context.Context, _ *channel.Channel, _ *channel.Sender,
		rx *channel.Receiver,
	) error {
		_, err := rx.TryRecv()
		return err
	},
	"append": func(ctx context.Context, _ *channel.Channel, _ *channel.Sender,
		rx *channel.Receiver,
	) error {
		_, err := rx.RecvAppend(ctx, nil)
		return err
	},
	"roles": func(ctx context.Context, ch *channel.Channel, _ *channel.Sender,
		_ *channel.Receiver,
	) error {
		_, err := ch.TrySender()
		_, again := ch.Sender(ctx)
		return errors.Join(err, again)
	},
	"seal": func(_ context.Context, ch *channel.Channel, _ *channel.Sender,
		_ *channel.Receiver,
	) error {
		return ch.Seal("x")
	},
	"drain": func(ctx context.Context, ch *channel.Channel, _ *channel.Sender,
		_ *channel.Receiver,
	) error {
		return ch.Drain(ctx, nil)
	},
	"shutdown": func(ctx context.Context, ch *channel.Channel, _ *channel.Sender,
		_ *channel.Receiver,
	) error {
		_, err := ch.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
		return err
	},
	"recover": func(ctx context.Context, ch *channel.Channel, _ *channel.Sender,
		_ *channel.Receiver,
	) error {
		return mend(ctx, ch)
	},
	"wait": func(ctx context.Context, _ *channel.Channel, tx *channel.Sender,
		rx *channel.Receiver,
	) error {
		if _, err := channel.Wait(ctx, rx, tx); err != nil {
			return err
		}
		_, err := rx.TryRecv() // it was ready to report this
		return err
	},
	"watch": func(ctx context.Context, ch *channel.Channel, _ *channel.Sender,
		_ *channel.Receiver,
	) error {
		for _, err := range ch.Watch(ctx) {
			return err
		}
		return nil
	},
	"observe": func(_ context.Context, ch *channel.Channel, tx *channel.Sender,
		rx *channel.Receiver,
	) error {
		tx.Busy("x", 0)()
		if ch.State() != state.State(0) || ch.Reason() != "" || ch.History() != nil ||
			ch.Stats().Slots != 0 || ch.Participants() != nil || rx.Len() != 0 {
			return errors.New("something is left")
		}
		return channel.ErrFault
	},
}

func childTruncated(_ *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Create(ctx, "q", channel.Options{
		OpenOptions: channel.OpenOptions{Guard: true},
	})
	if err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	if err := tx.Send(ctx, []byte("held")); err != nil {
		return err
	}
	m, err := rx.Recv(ctx)
	if err != nil {
		return err
	}
	lease, err := tx.Reserve(ctx, 10)
	if err != nil {
		return err
	}
	if args[0] == "close" {
		err = channel.ErrFault
	}
	if args[0] != "close" && args[0] != "recv" {
		lease.Abort()
	}
	if terr := os.Truncate(ch.Path(), 0); terr != nil {
		return terr
	}
	if args[0] != "close" {
		err = calls[args[0]](ctx, ch, tx, rx)
	}
	if !errors.Is(err, channel.ErrFault) {
		return errors.Join(errors.New("not ErrFault"), err)
	}
	cerr := ch.Close()
	m.Release()
	lease.Abort()
	if cerr != nil && !errors.Is(cerr, channel.ErrFault) {
		return cerr
	}
	return os.Remove(ch.Path())
}

func TestCallsOnATruncatedFileReturnErrFault(t *testing.T) {
	for name := range calls {
		t.Run(name, func(t *testing.T) {
			begin(t)
			require.NoError(t, shmtest.Start(t, "truncated", name).Wait())
		})
	}
}
