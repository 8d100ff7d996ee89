//go:build linux

package channel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() { children["give back on a full file system"] = childGiveBackOnFull }

// A fullDrain is a channel on a small file system that others fill up with what it gives back.
type fullDrain struct {
	ch     *channel.Channel
	rx     *channel.Receiver
	lease  channel.Lease
	opts   channel.Options
	filler string
	next   int // message that comes next
	end    int
}

func childGiveBackOnFull(c *shmtest.Conn, args []string) error {
	const size = 5 << 20
	dir := args[0]
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		c.Say("skip: a file system cannot be mounted here: %v", err)
		return nil
	}
	ctx := context.Background()
	f := &fullDrain{opts: giving(), filler: filepath.Join(dir, "filler")}
	f.opts.Dir = dir
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"drain half", f.drainHalf},
		{"roll back", f.rollBack},
		{"recover", f.recover},
		{"drain all", f.drainAll},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	c.Say("done")
	return nil
}

// drainHalf leaves a channel that gave memory back, with a lease whose memory nobody has
// touched yet, and a file system without a byte left.
func (f *fullDrain) drainHalf(ctx context.Context) (err error) {
	if f.ch, err = channel.Create(ctx, "q", f.opts); err != nil {
		return err
	}
	if f.rx, err = f.ch.Receiver(ctx); err != nil {
		return err
	}
	tx, err := f.ch.Sender(ctx)
	if err != nil {
		return err
	}
	for f.end = 0; f.end < 1000; f.end++ {
		if err := tx.Send(ctx, payload(f.end)); err != nil {
			return err
		}
	}
	// Behind 500 kB of messages, in an arena that never had any before.
	if f.lease, err = tx.Reserve(ctx, 1<<20); err != nil {
		return err
	}
	f.next = f.end * 3 / 4
	if err := takeIn(ctx, f.rx, 0, f.next); err != nil {
		return err
	}
	dctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.ch.Drain(dctx, nil) }()
	for {
		if n, err := f.ch.GivenBack(); err != nil || n > 256<<10 {
			break
		}
		shmtest.Yield()
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the drain ended: %w", err)
	}
	return fillUp(f.filler)
}

// rollBack has no room for what was given back. What lies in the ring stays, and a lease may
// still be filled.
func (f *fullDrain) rollBack(ctx context.Context) error {
	over, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	_, err := f.ch.Shutdown(over, channel.ShutdownOptions{AtDeadline: channel.Rollback})
	if !errors.Is(err, channel.ErrNoSpace) {
		return fmt.Errorf("no ErrNoSpace: %w", err)
	}
	if !strings.Contains(err.Error(), "then recover the channel") {
		return fmt.Errorf("no remedy: %w", err)
	}
	if err := f.stuck(); err != nil {
		return err
	}
	if _, err := f.ch.Recover(ctx); !errors.Is(err, channel.ErrNoSpace) {
		return fmt.Errorf("recover gives no ErrNoSpace: %w", err)
	}
	if err := f.stuck(); err != nil {
		return err
	}
	copy(f.lease.Bytes(), bytes.Repeat([]byte{7}, 1<<20))
	if err := f.lease.Commit(1 << 20); err != nil {
		return err
	}
	if err := takeIn(ctx, f.rx, f.next, 100); err != nil {
		return err
	}
	f.next += 100
	return nil
}

// stuck makes sure that the channel is in ERROR and keeps nothing that it cannot use.
func (f *fullDrain) stuck() error {
	if s := f.ch.State(); s != state.Error {
		return fmt.Errorf("state %s", s)
	}
	if r := f.ch.Reason(); !strings.Contains(r, "not enough shared memory") {
		return fmt.Errorf("reason %q", r)
	}
	if n, err := f.ch.GivenBack(); err != nil || n < 256<<10 {
		return fmt.Errorf("%d bytes are given back: %w", n, err)
	}
	return nil
}

// recover finds room, and then uses all of it beside those who took the rest.
func (f *fullDrain) recover(ctx context.Context) error {
	if err := os.Remove(f.filler); err != nil {
		return err
	}
	if _, err := f.ch.Recover(ctx); err != nil {
		return err
	}
	if n, err := f.ch.GivenBack(); err != nil || n != 0 || f.ch.State() != state.Active {
		return fmt.Errorf("%d bytes are given back in state %s: %w", n, f.ch.State(), err)
	}
	if err := fillUp(f.filler); err != nil {
		return err
	}
	if err := takeIn(ctx, f.rx, f.next, f.end-f.next); err != nil {
		return err
	}
	m, err := f.rx.Recv(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(m.Bytes(), bytes.Repeat([]byte{7}, 1<<20)) {
		return errors.New("the lease came as another")
	}
	m.Release()
	if err := f.rx.Close(); err != nil {
		return err
	}
	return useEveryPage(ctx, f.ch, f.opts)
}

// drainAll drains with messages in the ring while others take what comes free at once, and
// looks at everything that can be looked at.
func (f *fullDrain) drainAll(ctx context.Context) error {
	ch, err := channel.Open(ctx, "q", f.opts.OpenOptions)
	if err != nil {
		return err
	}
	if err := f.ch.Close(); err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	end, err := fillRing(ctx, tx, 0)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- ch.Drain(ctx, nil) }()
	for n := 0; n < end; n += 50 {
		if err := takeIn(ctx, rx, n, min(50, end-n)); err != nil {
			return err
		}
		if err := fillUp(fmt.Sprintf("%s%d", f.filler, n)); err != nil {
			return err
		}
		if _, err := channel.List(f.opts.Dir); err != nil {
			return err
		}
		_ = ch.Stats()
		if _, err := ch.Recover(ctx); err != nil {
			return err
		}
	}
	if err := <-done; err != nil {
		return err
	}
	if _, err := ch.Shutdown(ctx, channel.ShutdownOptions{}); err != nil {
		return err
	}
	return ch.Close()
}

// TestWhatWasGivenBackIsNeverTouchedOnAFileSystemThatBecameFull would end by SIGBUS.
func TestWhatWasGivenBackIsNeverTouchedOnAFileSystemThatBecameFull(t *testing.T) {
	onSmallFileSystem(t, "give back on a full file system")
}
