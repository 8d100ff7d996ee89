//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

func init() { children["hammer"] = childHammer }

// childHammer sends to all the channels in turn until it is told to stop. It says how many
// messages each took.
func childHammer(c *shmtest.Conn, names []string) error {
	channel.NoSlices()
	ctx := context.Background()
	txs := make([]*channel.Sender, len(names))
	sent := make([]uint64, len(names))
	for i, name := range names {
		ch, err := channel.Open(ctx, name, channel.OpenOptions{})
		if err != nil {
			return err
		}
		if txs[i], err = ch.Sender(ctx); err != nil {
			return err
		}
	}
	c.Say("ready")
	stop := make(chan struct{})
	go func() { c.Hear(); close(stop) }()
	for running := true; running; {
		select {
		case <-stop:
			running = false
		default:
		}
		for i, tx := range txs {
			err := tx.TrySend(message(2, sent[i]))
			switch {
			case err == nil:
				sent[i]++
			case !errors.Is(err, channel.ErrFull) && !errors.Is(err, channel.ErrClosed):
				return err
			}
		}
		shmtest.Yield()
	}
	for i, tx := range txs {
		if err := tx.Channel().Close(); err != nil {
			return err
		}
		c.Say("%d", sent[i])
	}
	return nil
}

func (x *chunk) startHammer(t *testing.T) {
	t.Helper()
	names := make([]string, len(x.scenes))
	for i, s := range x.scenes {
		names[i] = s.name
	}
	x.hammer = shmtest.Start(t, "hammer", names...)
	x.hammer.Expect("ready")
}

func (x *chunk) stopHammer(t *testing.T) {
	t.Helper()
	x.hammer.Say("stop")
	for _, s := range x.scenes {
		line, _ := x.hammer.Hear()
		_, err := fmt.Sscan(line, &s.others)
		require.NoError(t, err, "%q, %v", line, x.hammer)
	}
	require.NoError(t, x.hammer.Wait())
}
