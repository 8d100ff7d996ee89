//go:build linux

package channel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

func init() { children["receive and hold"] = childReceiveAndHold }

// childReceiveAndHold receives some messages, holds the last five, and waits.
func childReceiveAndHold(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if err := takeIn(ctx, rx, 0, n); err != nil {
		return err
	}
	for range 5 {
		if _, err := rx.Recv(ctx); err != nil {
			return err
		}
	}
	c.Say("holds")
	c.Hear()
	return nil
}

// giving are the options of a channel that gives memory back in several pieces: one MiB of
// slots and two of arena.
func giving() channel.Options {
	return channel.Options{
		Slots: 4096, SlotSize: 256, ArenaBytes: 2 << 20, MaxParticipants: 8, Checksums: true,
	}
}

// payload is message i: some fit a slot, most need the arena, and all differ.
func payload(i int) []byte {
	p := bytes.Repeat([]byte{byte(i), byte(i >> 8), byte(i * 7)}, 1+i*37%700)
	return p[:1+i*31%len(p)]
}

// fillRing sends messages from first on until there is no room, and returns the next number.
func fillRing(ctx context.Context, tx *channel.Sender, first int) (int, error) {
	for i := first; ; i++ {
		err := tx.TrySend(payload(i))
		if errors.Is(err, channel.ErrFull) {
			return i, nil
		}
		if err != nil {
			return i, err
		}
	}
}

// takeIn receives n messages from number first on and looks at each, twice: when it comes, and
// when many others came meanwhile. It holds up to 20 at a time.
func takeIn(ctx context.Context, rx *channel.Receiver, first, n int) error {
	var held []channel.Message
	release := func(left int) error {
		for len(held) > left {
			if i := first + n - len(held); !bytes.Equal(held[0].Bytes(), payload(i)) {
				return fmt.Errorf("message %d changed while it was held", i)
			}
			held[0].Release()
			held = held[1:]
		}
		return nil
	}
	last := first + n
	for n = 0; first+n < last; {
		m, err := rx.Recv(ctx)
		if err != nil {
			return err
		}
		if !bytes.Equal(m.Bytes(), payload(first+n)) {
			return fmt.Errorf("message %d came as another", first+n)
		}
		held = append(held, m)
		n++
		if err := release(20); err != nil {
			return err
		}
	}
	return release(0)
}

// givenBack is what a channel has given back, in bytes.
func givenBack(t testing.TB, ch *channel.Channel) uint64 {
	t.Helper()
	n, err := ch.GivenBack()
	require.NoError(t, err)
	return n
}

// awaitGivenBack waits until more than n bytes were given back.
func awaitGivenBack(t testing.TB, ch *channel.Channel, n uint64) uint64 {
	t.Helper()
	for {
		if now := givenBack(t, ch); now > n {
			return now
		}
		shmtest.Yield()
	}
}

// halfway fills a channel whose ring has wrapped, begins to drain it, and receives until
// memory was given back. It returns the drain's result to be and which message comes next and
// which never.
func halfway(
	ctx context.Context, t *testing.T, ch *channel.Channel, rx *channel.Receiver,
	progress func(channel.Progress),
) (done chan error, next, end int) {
	t.Helper()
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	end, err = fillRing(ctx, tx, 0)
	require.NoError(t, err)
	next = end * 2 / 3 // so that what is left wraps
	require.NoError(t, takeIn(ctx, rx, 0, next))
	end, err = fillRing(ctx, tx, end)
	require.NoError(t, err)
	require.Zero(t, givenBack(t, ch))
	done = make(chan error, 1)
	go func() { done <- ch.Drain(ctx, progress) }()
	awaitWaiting(t, ch, "drain")
	half := (end - next) / 2
	require.NoError(t, takeIn(ctx, rx, next, half))
	awaitGivenBack(t, ch, 0)
	return done, next + half, end
}
