// Hello sends words from one terminal to another, in any order:
//
//	go run ./examples/hello recv
//	go run ./examples/hello send hello world
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	"shmring/channel"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := errors.New("usage: hello recv | hello send WORD [WORD...]")
	switch {
	case len(os.Args) == 2 && os.Args[1] == "recv":
		err = recv(ctx)
	case len(os.Args) > 2 && os.Args[1] == "send":
		err = send(ctx, os.Args[2:])
	}
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// send puts words into the channel and ends it. Whoever comes first makes it.
func send(ctx context.Context, words []string) error {
	ch, err := channel.OpenOrCreate(ctx, "hello", channel.Options{})
	if err != nil {
		return err
	}
	defer ch.Close()
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	for _, word := range words {
		if err := tx.Send(ctx, []byte(word)); err != nil {
			return err
		}
	}
	return ch.Seal("that was all") // who receives gets what was sent, then the end, also later
}

// recv prints what comes, until the end.
func recv(ctx context.Context) error {
	ch, err := channel.OpenOrCreate(ctx, "hello", channel.Options{})
	if err != nil {
		return err
	}
	defer ch.Close()
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	for m, err := range rx.Messages(ctx) {
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", m.Bytes()) // in shared memory, valid until the next one
	}
	return nil
}
