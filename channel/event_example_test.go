package channel_test

import (
	"context"
	"fmt"
	"log"

	"shmring/channel"
)

// One process announces configurations; others wait for a newer one than they have.
func ExampleEvent() {
	ctx := context.Background()
	config, err := channel.OpenOrCreateEvent(ctx, "example-config", channel.EventOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer config.Close()
	go func() { // maybe in another process
		for _, level := range []string{"debug", "info"} {
			if _, err := config.Signal([]byte(level)); err != nil {
				log.Fatal(err)
			}
		}
	}()
	for seq := uint64(0); seq < 2; {
		var level []byte
		if seq, level, err = config.Wait(ctx, seq); err != nil {
			log.Fatal(err)
		}
		if seq == 2 { // the first may have been overtaken
			fmt.Printf("%d: %s\n", seq, level)
		}
	}
	// Output: 2: info
}

// An event tells a receiver to stop without a message in its channel.
func ExampleEvent_After() {
	ctx := context.Background()
	ch, _, rx := exampleChannel()
	defer ch.Close()
	stop, err := channel.CreateEvent(ctx, "example-stop", channel.EventOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer stop.Close()
	go stop.Signal([]byte("enough"))
	i, err := channel.Wait(ctx, stop.After(0), rx)
	if err != nil {
		log.Fatal(err)
	}
	_, why, err := stop.Load()
	fmt.Println(i, string(why), err)
	// Output: 0 enough <nil>
}
