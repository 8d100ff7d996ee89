//go:build linux

package manager_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strings"
	"time"

	"shmring/channel"
	"shmring/manager"
)

// exampleManager returns a Manager with a directory of its own, so that examples disturb
// nobody.
func exampleManager() (m *manager.Manager, done func()) {
	dir, err := os.MkdirTemp("/dev/shm", "shmring-example-*")
	if err != nil {
		log.Fatal(err)
	}
	if m, err = manager.New(manager.Options{Dir: dir}); err != nil {
		log.Fatal(err)
	}
	return m, func() {
		if err := m.Close(); err != nil {
			log.Fatal(err)
		}
		os.RemoveAll(dir)
	}
}

// A channel is declared where the program begins and created where it is first used.
func Example() {
	ctx := context.Background()
	m, done := exampleManager()
	defer done()
	if err := m.Declare("requests", manager.Spec{}); err != nil {
		log.Fatal(err)
	}
	requests, err := m.Channel("requests")
	if err != nil {
		log.Fatal(err)
	}
	if err := requests.Send(ctx, []byte("what is the time?")); err != nil {
		log.Fatal(err)
	}
	msg, err := requests.Recv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", msg.Bytes())
	msg.Release()
	// Output: what is the time?
}

// A shutdown drains what comes first in the order of dependencies, and says how it went.
func ExampleManager_Shutdown() {
	ctx := context.Background()
	m, done := exampleManager()
	defer done()
	for _, name := range []string{"requests", "tokens"} {
		if _, err := m.Create(ctx, name, channel.Options{}); err != nil {
			log.Fatal(err)
		}
	}
	// What is received from requests leads to messages in tokens.
	if err := m.DependsOn(ctx, "requests", "tokens"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.DependsOn(ctx, "tokens", "requests"))
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{Reason: "deploy"})
	if err != nil {
		log.Fatal(err)
	}
	for _, end := range report.Ends {
		fmt.Println(end.Name, end.Report.State)
	}
	// Output:
	// dependencies in a cycle: tokens → requests → tokens
	// requests CLOSED
	// tokens CLOSED
}

// Health says in words what is wrong.
func ExampleManager_Health() {
	ctx := context.Background()
	m, done := exampleManager()
	defer done()
	c, err := m.Create(ctx, "q", channel.Options{Slots: 4})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		if err := c.Send(ctx, nil); err != nil {
			log.Fatal(err)
		}
	}
	h, err := m.Health(ctx, "q")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(h.Status, h.Reasons)
	// Output: degraded [no receiver, 2 slots are in use]
}

// Metrics are published by expvar, as JSON at /debug/vars, and logged by slog.
func ExampleManager_Metrics() {
	ctx := context.Background()
	m, done := exampleManager()
	defer done()
	c, err := m.Create(ctx, "q", channel.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Send(ctx, []byte("five!")); err != nil {
		log.Fatal(err)
	}
	expvar.Publish("shmring", expvar.Func(func() any {
		metrics, err := m.Metrics(ctx, nil)
		if err != nil {
			return err.Error()
		}
		return metrics
	}))
	fmt.Println(strings.Contains(expvar.Get("shmring").String(), `"SentBytes":5`))

	metrics, err := m.Metrics(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	for _, q := range metrics.Channels {
		logger.Info("channel", "name", q.Name, "depth", q.Depth, "sent", q.Sent)
	}
	// Output:
	// true
	// level=INFO msg=channel name=q depth=1 sent=1
}

// A lock is freed when its holder dies.
func ExampleManager_Lock() {
	ctx := context.Background()
	m, done := exampleManager()
	defer done()
	lock, err := m.Lock(ctx, "model-cache")
	if err != nil {
		log.Fatal(err)
	}
	_, err = m.TryLock(ctx, "model-cache")
	fmt.Println(errors.Is(err, channel.ErrBusy))
	if err := lock.Unlock(); err != nil {
		log.Fatal(err)
	}
	// Output: true
}

// The last value of an event is there for those who come later.
func ExampleManager_Event() {
	ctx := context.Background()
	m, done := exampleManager()
	defer done()
	model, err := m.Event(ctx, "model")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := model.Signal([]byte("llama loaded")); err != nil {
		log.Fatal(err)
	}
	seq, value, err := model.Load()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(seq, string(value))
	// Output: 1 llama loaded
}

// A send in the background tells later how it went.
func ExampleChannel_SendAsync() {
	ctx := context.Background()
	m, done := exampleManager()
	defer done()
	c, err := m.Create(ctx, "q", channel.Options{})
	if err != nil {
		log.Fatal(err)
	}
	sent, err := c.SendAsync([]byte("later"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.Wait(ctx))
	// Output: <nil>
}

// A Go channel is judged and counted like a channel in shared memory.
func ExampleManager_Track() {
	m, done := exampleManager()
	defer done()
	backlog := make(chan int, 10)
	err := m.Track("backlog", manager.QueueInfo{
		Depth: func() (used, capacity uint64) { return uint64(len(backlog)), uint64(cap(backlog)) },
	})
	if err != nil {
		log.Fatal(err)
	}
	for range cap(backlog) {
		backlog <- 1
	}
	h, err := m.Health(context.Background(), "backlog")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(h.Status, h.Reasons)
	// Output: degraded [10 of 10 are in use]
}

// Extract takes what nobody receives any more.
func ExampleManager_Extract() {
	ctx := context.Background()
	m, done := exampleManager()
	defer done()
	c, err := m.Create(ctx, "q", channel.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Send(ctx, []byte("left behind")); err != nil {
		log.Fatal(err)
	}
	n, err := m.Extract(ctx, "q", func(payload []byte) error {
		fmt.Printf("%s\n", payload)
		return nil
	})
	fmt.Println(n, err)
	// Output:
	// left behind
	// 1 <nil>
}

// A monitor looks now and then, recovers what it can, and tells of changes.
func ExampleManager_StartMonitor() {
	m, done := exampleManager()
	defer done()
	stop, err := m.StartMonitor(time.Second, manager.MonitorOptions{
		Recover:  func() manager.Backoff { return &manager.Exponential{Attempts: 5} },
		OnHealth: func(h manager.Health) { fmt.Println(h.Name, h.Status, h.Reasons) },
	})
	if err != nil {
		log.Fatal(err)
	}
	stop()
	// Output:
}

// Drain tells how far it is and how long it will take.
func ExampleManager_Drain() {
	ctx := context.Background()
	m, done := exampleManager()
	defer done()
	c, err := m.Create(ctx, "q", channel.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Send(ctx, []byte("one")); err != nil {
		log.Fatal(err)
	}
	received := make(chan error)
	go func() {
		for {
			msg, err := c.Recv(ctx)
			if err != nil {
				received <- err
				return
			}
			msg.Release()
		}
	}()
	var last manager.Progress
	if err := m.Drain(ctx, "q", func(p manager.Progress) { last = p }); err != nil {
		log.Fatal(err)
	}
	fmt.Println("left", last.Left, errors.Is(<-received, io.EOF))
	// Output: left 0 true
}
