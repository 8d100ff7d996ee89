package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"shmring/channel"
)

// One process sends, another receives; here both roles live in one.
func Example() {
	ctx := context.Background()
	ch, err := channel.OpenOrCreate(ctx, "example-tokens", channel.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer ch.Close()
	tx, err := ch.Sender(ctx)
	if err != nil {
		log.Fatal(err)
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, word := range []string{"the", "quick", "fox"} {
		if err := tx.Send(ctx, []byte(word)); err != nil {
			log.Fatal(err)
		}
	}
	go ch.Shutdown(ctx, channel.ShutdownOptions{Reason: "all said"})
	for m, err := range rx.Messages(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", m.Bytes())
	}
	fmt.Println(ch.Reason())
	// Output:
	// the
	// quick
	// fox
	// all said
}

// exampleChannel returns a channel without a name, which cannot collide with another.
func exampleChannel() (*channel.Channel, *channel.Sender, *channel.Receiver) {
	ctx := context.Background()
	ch, err := channel.Create(ctx, "", channel.Options{Nameless: true})
	if err != nil {
		log.Fatal(err)
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		log.Fatal(err)
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		log.Fatal(err)
	}
	return ch, tx, rx
}

// A message is written in place, without a copy.
func ExampleSender_Reserve() {
	ctx := context.Background()
	ch, tx, rx := exampleChannel()
	defer ch.Close()
	lease, err := tx.Reserve(ctx, 1024)
	if err != nil {
		log.Fatal(err)
	}
	n := copy(lease.Bytes(), "written in shared memory")
	if err := lease.Commit(n); err != nil {
		log.Fatal(err)
	}
	m, err := rx.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", m.Bytes())
	m.Release()
	// Output: written in shared memory
}

// A message whose writer fails is never seen.
func ExampleSender_SendFunc() {
	ctx := context.Background()
	ch, tx, rx := exampleChannel()
	defer ch.Close()
	changed := errors.New("changed my mind")
	err := tx.SendFunc(ctx, 64, func([]byte) (int, error) { return 0, changed })
	fmt.Println(err != nil)
	_, err = rx.TryRecv()
	fmt.Println(errors.Is(err, channel.ErrEmpty))
	// Output:
	// true
	// true
}

// Batches cost one atomic step and at most one wake.
func ExampleReceiver_RecvBatch() {
	ctx := context.Background()
	ch, tx, rx := exampleChannel()
	defer ch.Close()
	if _, err := tx.SendBatch(ctx, [][]byte{[]byte("a"), []byte("b"), []byte("c")}); err != nil {
		log.Fatal(err)
	}
	msgs := make([]channel.Message, 8)
	n, err := rx.RecvBatch(ctx, msgs)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range msgs[:n] {
		fmt.Printf("%s ", m.Bytes())
		m.Release()
	}
	// Output: a b c
}

// RecvAppend copies the message and releases it: it is delivered at most once.
func ExampleReceiver_RecvAppend() {
	ctx := context.Background()
	ch, tx, rx := exampleChannel()
	defer ch.Close()
	if err := tx.TrySend([]byte("hello")); err != nil {
		log.Fatal(err)
	}
	buf, err := rx.RecvAppend(ctx, []byte("got "))
	fmt.Printf("%s %v\n", buf, err)
	// Output: got hello <nil>
}

// The first ready channel in argument order wins: cancels overtake data.
func ExampleWait() {
	ctx := context.Background()
	data, dataTx, dataRx := exampleChannel()
	defer data.Close()
	cancels, cancelTx, cancelRx := exampleChannel()
	defer cancels.Close()
	err := errors.Join(dataTx.TrySend([]byte("data")), cancelTx.TrySend([]byte("cancel")))
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		i, err := channel.Wait(ctx, cancelRx, dataRx)
		if err != nil {
			log.Fatal(err)
		}
		m, err := []*channel.Receiver{cancelRx, dataRx}[i].Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s\n", i, m.Bytes())
		m.Release()
	}
	// Output:
	// 0 cancel
	// 1 data
}

// Seal ends sending; what was accepted is still delivered, then io.EOF.
func ExampleChannel_Seal() {
	ctx := context.Background()
	ch, tx, rx := exampleChannel()
	defer ch.Close()
	if err := tx.Send(ctx, []byte("last")); err != nil {
		log.Fatal(err)
	}
	if err := ch.Seal("end of input"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(errors.Is(tx.Send(ctx, []byte("late")), channel.ErrDraining))
	m, err := rx.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", m.Bytes())
	m.Release()
	_, err = rx.Recv(ctx)
	fmt.Println(errors.Is(err, io.EOF))
	// Output:
	// true
	// last
	// true
}

// A shutdown that cannot wait says what it discarded.
func ExampleChannel_Shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	ch, tx, rx := exampleChannel()
	defer ch.Close()
	if err := tx.Send(ctx, []byte("never read")); err != nil {
		log.Fatal(err)
	}
	if err := rx.Close(); err != nil {
		log.Fatal(err)
	}
	report, err := ch.Shutdown(ctx, channel.ShutdownOptions{
		Reason: "node goes down", AtDeadline: channel.Force,
		Discarded: func(b []byte) { fmt.Printf("discarded %q\n", b) },
	})
	fmt.Println(report.State, report.Discarded, err)
	// Output:
	// discarded "never read"
	// CLOSED 1 <nil>
}

// Drain reports how far it is and who it waits for.
func ExampleChannel_Drain() {
	ctx := context.Background()
	ch, tx, rx := exampleChannel()
	defer ch.Close()
	if err := tx.Send(ctx, []byte("one")); err != nil {
		log.Fatal(err)
	}
	go func() {
		for range rx.Messages(ctx) {
		}
	}()
	err := ch.Drain(ctx, func(p channel.Progress) { _ = p.Left })
	fmt.Println(ch.Stats().Received, err)
	// Output: 1 <nil>
}

// Watch tells of every change of state and membership.
func ExampleChannel_Watch() {
	ctx := context.Background()
	ch, err := channel.Create(ctx, "", channel.Options{Nameless: true})
	if err != nil {
		log.Fatal(err)
	}
	defer ch.Close()
	for c, err := range ch.Watch(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(c.Kind, c.State)
		if c.State.String() == "ACTIVE" {
			if _, err := ch.Shutdown(ctx, channel.ShutdownOptions{}); err != nil {
				log.Fatal(err)
			}
		}
	}
	// Output:
	// state ACTIVE
	// state CLOSED
}

// Participants says who is there and what they do.
func ExampleChannel_Participants() {
	ch, tx, _ := exampleChannel()
	defer ch.Close()
	done := tx.Busy("loading the model", time.Minute)
	defer done()
	for _, p := range ch.Participants() {
		fmt.Println(p.Role, p.Alive, p.Busy != "")
	}
	// Output:
	// receiver true false
	// sender true true
}
