// Zerocopy writes pictures straight into shared memory, and another process reads them there.
//
//	go run ./examples/zerocopy
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"shmring/channel"
)

const (
	frame  = 1 << 20 // bytes
	frames = 64
)

func main() {
	run := camera
	if len(os.Args) > 1 && os.Args[1] == "viewer" {
		run = viewer
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// camera fills frames in place.
func camera(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ch, err := channel.OpenOrCreate(ctx, "zerocopy", channel.Options{
		Kind: channel.SPSC, Slots: 16, ArenaBytes: 8 * frame, // some are under way at a time
	})
	if err != nil {
		return err
	}
	defer ch.Close()
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	end, err := start(ctx, cancel, "viewer")
	if err != nil {
		return err
	}
	for n := range frames {
		picture, err := tx.Reserve(ctx, frame) // room in the channel, nobody else's
		if err != nil {
			return err
		}
		for i := range picture.Bytes() {
			picture.Bytes()[i] = byte(n)
		}
		if err := picture.Commit(frame); err != nil {
			return err
		}
	}
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{Reason: "lights off"})
	return errors.Join(err, <-end)
}

// viewer looks at frames where they lie.
func viewer(ctx context.Context) error {
	ch, err := channel.Open(ctx, "zerocopy", channel.OpenOptions{})
	if err != nil {
		return err
	}
	defer ch.Close()
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	count, sum := 0, 0
	for m, err := range rx.Messages(ctx) {
		if err != nil {
			return err
		}
		for _, pixel := range m.Bytes() { // shared memory, ours until the next one
			sum += int(pixel)
		}
		count++
	}
	fmt.Printf("%d frames, mean %d\n", count, sum/(count*frame))
	return nil
}
