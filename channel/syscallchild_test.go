//go:build linux && amd64

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() { children["system calls"] = childSystemCalls }

// childSystemCalls does what its scenario says between two marks, until something fails,
// and then gives back what it has.
func childSystemCalls(c *shmtest.Conn, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	mark(markBegin)
	err := scenarios[args[0]].do(ctx, c)
	mark(markEnd)
	switch {
	case err == nil:
		c.Say("done")
	case tellable(err):
		c.Say("failed: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	default:
		c.Say("untyped: %#v: %s", err, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// quickly runs f with a context that ends in a moment, by which f shall end.
func quickly(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Millisecond)
	defer cancel()
	err := f(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if err == nil {
		err = errors.New("there was nothing to wait for")
	}
	return err
}

// whole makes, uses and ends a channel alone.
func whole(ctx context.Context, _ *shmtest.Conn) (err error) {
	ch, err := channel.Create(ctx, "q", small(channel.Ephemeral))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ch.Close()) }()
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	for range 8 {
		if err := tx.Send(ctx, []byte("x")); err != nil {
			return err
		}
	}
	err = quickly(ctx, func(ctx context.Context) error { return tx.Send(ctx, []byte("y")) })
	if err != nil {
		return err
	}
	for range 8 {
		m, err := rx.Recv(ctx)
		if err != nil {
			return err
		}
		m.Release()
	}
	err = quickly(ctx, func(ctx context.Context) error {
		_, err := rx.Recv(ctx)
		return err
	})
	if err != nil {
		return err
	}
	err = quickly(ctx, func(ctx context.Context) error {
		_, err := channel.Wait(ctx, rx)
		return err
	})
	if err != nil {
		return err
	}
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	return err
}

// join takes part beside another process, which sends "a", "b", and "c" when told to.
func join(ctx context.Context, c *shmtest.Conn) (err error) {
	ch, err := channel.Open(ctx, "q", channel.OpenOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ch.Close()) }()
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	m, err := rx.Recv(ctx)
	if err != nil {
		return err
	}
	m.Release()
	if _, err = rx.RecvAppend(ctx, nil); err != nil {
		return err
	}
	c.Say("waiting")
	if _, err = rx.RecvAppend(ctx, nil); err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	if err := tx.Send(ctx, []byte("x")); err != nil {
		return err
	}
	return tx.Close()
}

// observe looks from outside, and removes what nobody uses.
func observe(ctx context.Context, _ *shmtest.Conn) error {
	if _, err := channel.List(""); err != nil {
		return err
	}
	ch, err := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	ch.Stats()
	ch.Participants()
	for _, err := range ch.Watch(ctx) {
		if err != nil {
			return errors.Join(err, ch.Close())
		}
		break
	}
	err = quickly(ctx, func(ctx context.Context) error {
		var last error
		for _, err := range ch.Watch(ctx) {
			last = err
		}
		return last
	})
	if err = errors.Join(err, ch.Close()); err != nil {
		return err
	}
	return channel.Remove(ctx, "left", channel.RemoveOptions{Unread: true})
}

// adopt takes over what somebody left.
func adopt(ctx context.Context, _ *shmtest.Conn) (err error) {
	ch, err := channel.OpenOrCreate(ctx, "q", small(channel.Persistent))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ch.Close()) }()
	if _, err := ch.Recover(ctx); err != nil && !errors.Is(err, channel.ErrState) {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	if _, err := rx.RecvAppend(ctx, nil); err != nil {
		return err
	}
	if err := rx.Close(); err != nil {
		return err
	}
	sctx, cancel := context.WithTimeout(ctx, 3*time.Millisecond)
	defer cancel()
	_, err = ch.Shutdown(sctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	if err == nil && ch.State() != state.Closed {
		err = fmt.Errorf("it is %s", ch.State())
	}
	return err
}

// signal makes, uses and leaves an event.
func signal(ctx context.Context, _ *shmtest.Conn) (err error) {
	e, err := channel.CreateEvent(ctx, "q", channel.EventOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if _, err := e.Signal([]byte("x")); err != nil {
		return err
	}
	seq, _, err := e.Wait(ctx, 0)
	if err != nil {
		return err
	}
	return quickly(ctx, func(ctx context.Context) error {
		_, _, err := e.Wait(ctx, seq)
		return err
	})
}

// handOver makes a channel without a name and opens it once more by its file.
func handOver(ctx context.Context, _ *shmtest.Conn) (err error) {
	o := small(channel.Ephemeral)
	o.Nameless = true
	ch, err := channel.Create(ctx, "", o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ch.Close()) }()
	f, err := ch.File()
	if err != nil {
		return err
	}
	other, err := channel.OpenFile(f, channel.OpenOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	rx, err := other.Receiver(ctx)
	if err != nil {
		return err
	}
	if err := tx.Send(ctx, []byte("x")); err != nil {
		return err
	}
	if _, err := rx.RecvAppend(ctx, nil); err != nil {
		return err
	}
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	if err != nil {
		return err
	}
	if _, err = rx.Recv(ctx); !errors.Is(err, io.EOF) {
		return fmt.Errorf("no end: %w", err)
	}
	return nil
}
