//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/ptrace"
	"shmring/internal/shmtest"
)

func init() { children["stepped"] = childStepped }

// An actor makes a stepped call, in the process that will be killed.
type actor struct {
	name string
	ch   *channel.Channel
	tx   *channel.Sender
	rx   *channel.Receiver
	held []channel.Message
	got  channel.Message
	buf  []byte
}

// childStepped plays a victim on each of the channels, in threads of their own.
func childStepped(c *shmtest.Conn, args []string) error {
	channel.NoSlices()
	runtime.MemProfileRate = 0
	watcher, err := ptrace.Watcher()
	if err != nil {
		return err
	}
	c.Say("%d", watcher)
	call := steppedCalls[args[0]]
	if call == nil {
		call = &steppedCall{before: nothing, call: nothing, after: nothing} // only a thread
	}
	start := make([]chan struct{}, len(args)-1)
	for i, name := range args[1:] {
		start[i] = make(chan struct{})
		ptrace.Go(func() {
			err := call.play(&actor{name: name}, func() {
				c.Say("%d %d", i, unix.Gettid())
				<-start[i]
			})
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		})
	}
	for {
		i, err := strconv.Atoi(c.Hear())
		if err != nil {
			return err
		}
		close(start[i])
	}
}

// play makes the call between two breakpoints. At a third one it has been checked. It
// returns only if something was wrong.
func (c *steppedCall) play(a *actor, ready func()) error {
	deepStack(64)
	if err := c.before(a); err != nil {
		return err
	}
	ready()
	runtime.Breakpoint()
	err := c.call(a)
	runtime.Breakpoint()
	if err != nil {
		return err
	}
	if err := c.after(a); err != nil {
		return err
	}
	runtime.Breakpoint()
	return errors.New("told to go on")
}

// deepStack lets the stack grow, so that it need not do so during the call.
func deepStack(n int) byte {
	var room [1024]byte
	if n > 0 {
		room[n] = deepStack(n - 1)
	}
	return room[n] + room[0]
}

func nothing(*actor) error { return nil }

// open attaches and takes roles. Nobody spins: that would be the most part of a call that waits.
func (a *actor) open(sender, receiver bool) (err error) {
	ctx := context.Background()
	if a.ch, err = channel.Open(ctx, a.name, channel.OpenOptions{Spin: -1}); err != nil {
		return err
	}
	if sender {
		if a.tx, err = a.ch.Sender(ctx); err != nil {
			return err
		}
	}
	if receiver {
		a.rx, err = a.ch.Receiver(ctx)
	}
	return err
}

// send sends messages of sender 1.
func (a *actor) send(indexes ...uint64) error {
	for _, i := range indexes {
		if err := a.tx.Send(context.Background(), message(1, i)); err != nil {
			return err
		}
	}
	return nil
}
