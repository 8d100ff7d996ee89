//go:build linux

package channel_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/shmtest"
)

func init() {
	children["one-core-send"] = childOneCoreSend
	children["one-core-receive"] = childOneCoreReceive
}

const manyOnOneCore = 20000

// onFirstCore binds this process to one processor: threads that come later inherit that.
func onFirstCore() error {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err == nil {
			err = unix.SchedSetaffinity(tid, &one)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

func childOneCoreSend(c *shmtest.Conn, args []string) error {
	if err := onFirstCore(); err != nil {
		return err
	}
	ch, tx, err := childSender(args[0])
	if err != nil {
		return err
	}
	c.Say("ready")
	c.Hear()
	for i := range uint64(manyOnOneCore) {
		if err := tx.Send(context.Background(), message(1, i)); err != nil {
			return err
		}
	}
	c.Say("sent")
	c.Hear()
	return errors.Join(ch.Seal("all sent"), ch.Close())
}

func childOneCoreReceive(c *shmtest.Conn, args []string) error {
	if err := onFirstCore(); err != nil {
		return err
	}
	ctx := context.Background()
	channel.NoSlices()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	c.Say("ready")
	for {
		m, err := rx.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return ch.Close()
		}
		if err != nil {
			return err
		}
		m.Release()
	}
}

// TestOnOneProcessorBothSidesTakeTurnsWithoutASleep: whoever waits there lets the other one run,
// which fills the ring or empties it. To sleep for each message instead takes two
// system calls more for each, and twenty times as long.
func TestOnOneProcessorBothSidesTakeTurnsWithoutASleep(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	receiver := shmtest.Start(t, "one-core-receive", "q")
	receiver.Expect("ready")
	sender := shmtest.Start(t, "one-core-send", "q")
	sender.Expect("ready")
	before := parksOf(ch)
	sender.Say("go")
	sender.Expect("sent")
	sleeps := parksOf(ch) - before
	t.Logf("%d sleeps for %d messages", sleeps, manyOnOneCore)
	require.Less(t, sleeps, uint64(manyOnOneCore/50))
	sender.Say("bye")
	require.NoError(t, sender.Wait())
	require.NoError(t, receiver.Wait())
	require.NoError(t, ch.Close())
}

// parksOf adds up how often everybody has slept.
func parksOf(ch *channel.Channel) (n uint64) {
	for _, p := range ch.Participants() {
		n += p.Parks
	}
	return n
}
