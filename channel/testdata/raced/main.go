// Command raced is built by a test with the race detector, and with one step of a send or a
// receipt out of order. It sends messages from one goroutine to another, in the way that
// its argument says.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"shmring/channel"
)

// rounds are enough for the two sides to meet.
const rounds = 100

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(how string) error {
	ctx := context.Background()
	a, err := channel.Create(ctx, "raced", channel.Options{Slots: 1})
	if err != nil {
		return err
	}
	b, err := channel.Open(ctx, "raced", channel.OpenOptions{})
	if err != nil {
		return err
	}
	tx, err := a.Sender(ctx)
	if err != nil {
		return err
	}
	rx, err := b.Receiver(ctx)
	if err != nil {
		return err
	}
	send, recv := commit, appendOne
	if how == "send" {
		send, recv = sendOne, read
	}
	sent := make(chan error, 1)
	go func() {
		var err error
		for range rounds {
			err = errors.Join(err, send(ctx, tx))
		}
		sent <- err
	}()
	for range rounds {
		err = errors.Join(err, recv(ctx, rx))
	}
	return errors.Join(err, <-sent, b.Close(), a.Close())
}

func sendOne(ctx context.Context, tx *channel.Sender) error { return tx.Send(ctx, []byte("12345678")) }

func commit(ctx context.Context, tx *channel.Sender) error {
	l, err := tx.Reserve(ctx, 8)
	if err != nil {
		return err
	}
	return l.Commit(copy(l.Bytes(), "12345678"))
}

func appendOne(ctx context.Context, rx *channel.Receiver) error {
	_, err := rx.RecvAppend(ctx, nil)
	return err
}

func read(ctx context.Context, rx *channel.Receiver) error {
	m, err := rx.Recv(ctx)
	if err == nil {
		m.Clone()
		m.Release()
	}
	return err
}
