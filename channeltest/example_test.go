package channeltest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"shmring/channel"
	"shmring/channeltest"
)

// worker adds up numbers and is what the test kills. It runs in a process of its own.
var worker = channeltest.Func("worker", func(ctx context.Context, c *channeltest.Child) error {
	ch, err := channel.Open(ctx, c.Args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	sum := 0
	for {
		b, err := rx.RecvAppend(ctx, nil) // at most once: what it returned never comes again
		if errors.Is(err, io.EOF) {
			return ch.Close()
		}
		if err != nil {
			return err
		}
		sum += int(b[0])
		c.Say("%d", sum)
	}
})

// The test binary needs a TestMain that calls Main:
//
//	func TestMain(m *testing.M) { channeltest.Main(m) }
//
// The body of this example is a test: t is its *testing.T.
func Example() {
	complaints := run(func(t testing.TB) {
		t.Helper()
		ch := channeltest.New(t)
		tx, err := ch.Sender(t.Context())
		if err != nil {
			t.Fatalf("%v", err)
		}
		first := worker.Start(t, ch.Name())
		_ = tx.Send(t.Context(), []byte{40})
		first.Expect("40")
		first.Kill()

		second := worker.Start(t, ch.Name()) // it does not get the 40 again
		_ = tx.Send(t.Context(), []byte{2})
		_ = ch.Seal("all sent")
		second.Expect("2")
		if err := second.Wait(); err != nil {
			t.Fatalf("%v", err)
		}
		fmt.Println("two workers, one killed")
	})
	fmt.Println("complaints:", complaints)
	// Output:
	// two workers, one killed
	// complaints: []
}
