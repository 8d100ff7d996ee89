// Select takes requests and cancels of another process, whichever comes first.
//
//	go run ./examples/select
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"slices"

	"shmring/channel"
)

var names = []string{"select-requests", "select-cancels"}

func main() {
	run := server
	if len(os.Args) > 1 && os.Args[1] == "client" {
		run = client
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// server receives from both channels until both have ended.
func server(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var waits []channel.Waitable
	for _, name := range names {
		ch, err := channel.OpenOrCreate(ctx, name, channel.Options{})
		if err != nil {
			return err
		}
		defer ch.Close()
		rx, err := ch.Receiver(ctx)
		if err != nil {
			return err
		}
		waits = append(waits, rx)
	}
	end, err := start(ctx, cancel, "client")
	if err != nil {
		return err
	}
	for len(waits) > 0 {
		i, err := channel.Wait(ctx, waits...) // asleep until one of them has something
		if err != nil {
			return err
		}
		rx := waits[i].(*channel.Receiver)
		switch m, err := rx.TryRecv(); {
		case errors.Is(err, io.EOF):
			waits = slices.Delete(waits, i, i+1)
		case err != nil && !errors.Is(err, channel.ErrEmpty): // empty: a sender gave room back
			return err
		case err == nil:
			fmt.Printf("%s: %s\n", rx.Channel().Name(), m.Bytes())
			m.Release()
		}
	}
	return <-end
}

// client sends some of each, and ends both.
func client(ctx context.Context) error {
	for _, name := range names {
		ch, err := channel.Open(ctx, name, channel.OpenOptions{})
		if err != nil {
			return err
		}
		tx, err := ch.Sender(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.SendBatch(ctx, [][]byte{[]byte("one"), []byte("two")}); err != nil {
			return err
		}
		if err := errors.Join(ch.Seal("done"), ch.Close()); err != nil {
			return err
		}
	}
	return nil
}
