// Consumer uses shmring as README's quick start does, from a module of its own: "send" is
// one process, "recv" the other.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"shmring/channel"
)

func main() {
	side := map[string]func(context.Context) error{"send": send, "recv": recv}
	if len(os.Args) != 2 || side[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: consumer send|recv")
		os.Exit(2)
	}
	if err := side[os.Args[1]](context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func send(ctx context.Context) (err error) {
	ch, err := channel.OpenOrCreate(ctx, "tokens", channel.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ch.Close()) }()
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	if err := tx.Send(ctx, []byte("hello")); err != nil {
		return err
	}
	return ch.Seal("that was all")
}

func recv(ctx context.Context) (err error) {
	ch, err := channel.Open(ctx, "tokens", channel.OpenOptions{Wait: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ch.Close()) }()
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	for m, err := range rx.Messages(ctx) {
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", m.Bytes())
	}
	return nil
}
