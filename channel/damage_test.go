//go:build linux

package channel_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() { children["damaged"] = childDamaged }

// workers are what a process may be doing while somebody damages the file under it. Each
// ends with its context, or earlier with what it met.
var workers = map[string]func(context.Context, *channel.Channel) error{
	"sender": func(ctx context.Context, ch *channel.Channel) error {
		tx, err := ch.Sender(ctx)
		if err != nil {
			return err
		}
		p := make([]byte, 300)
		for i := uint64(1); ; i++ {
			binary.LittleEndian.PutUint64(p, i)
			if err := tx.Send(ctx, p[:8+i%290]); err != nil {
				return err
			}
		}
	},
	"receiver": func(ctx context.Context, ch *channel.Channel) error {
		rx, err := ch.Receiver(ctx)
		if err != nil {
			return err
		}
		last := uint64(0)
		for {
			p, err := rx.RecvAppend(ctx, nil)
			if err != nil {
				return err
			}
			if len(p) < 8 {
				return fmt.Errorf("phantom: a message of %d bytes", len(p))
			}
			n := binary.LittleEndian.Uint64(p)
			if n <= last || len(p) != int(8+n%290) {
				return fmt.Errorf("phantom: %d of %d bytes after %d", n, len(p), last)
			}
			last = n
		}
	},
	"waiter": func(ctx context.Context, ch *channel.Channel) error {
		channel.NoSlices()
		rx, err := ch.Receiver(ctx)
		if err != nil {
			return err
		}
		_, err = rx.Recv(ctx)
		return err
	},
	"watcher": func(ctx context.Context, ch *channel.Channel) error {
		for _, err := range ch.Watch(ctx) {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"looker": func(ctx context.Context, ch *channel.Channel) error {
		for ctx.Err() == nil {
			ch.Stats()
			ch.Participants()
			ch.History()
			shmtest.Yield()
		}
		return context.Cause(ctx)
	},
	"closer": func(ctx context.Context, ch *channel.Channel) error {
		for ctx.Err() == nil {
			sctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			_, err := ch.Shutdown(sctx, channel.ShutdownOptions{AtDeadline: channel.Rollback})
			cancel()
			if err == nil || !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
		}
		return context.Cause(ctx)
	},
}

// childDamaged attaches, works until it meets something or is told to stop, and closes.
// Its arguments are the work, whether data calls are guarded, and whether it only observes.
func childDamaged(c *shmtest.Conn, args []string) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	told := errors.New("told to stop")
	ch, err := channel.Open(ctx, "q", channel.OpenOptions{
		Guard: args[1] == "guarded", ReadOnly: args[1] == "read-only",
	})
	if err != nil {
		return err
	}
	heard := make(chan struct{})
	go func() {
		c.Hear()
		cancel(told)
		close(heard)
	}()
	c.Say("ready")
	err = workers[args[0]](ctx, ch)
	cerr := ch.Close()
	for _, err := range []error{err, cerr} {
		if err != nil && !errors.Is(err, told) && !errors.Is(err, io.EOF) && !tellable(err) {
			return fmt.Errorf("untyped: %w", err)
		}
	}
	c.Say("ended by %v; close: %v", err, cerr)
	<-heard
	return nil
}

// tellable reports whether a program can tell by errors.Is and errors.As what happened.
func tellable(err error) bool {
	if _, ok := errors.AsType[*channel.OpError](err); !ok {
		return false
	}
	if _, ok := errors.AsType[unix.Errno](err); ok {
		return true
	}
	for _, kind := range []error{
		channel.ErrClosed, channel.ErrState, channel.ErrBusy, channel.ErrCorrupt,
		channel.ErrFault, channel.ErrLayout, channel.ErrOrphaned, channel.ErrStale,
		channel.ErrNoSpace, channel.ErrPeerDead, fs.ErrExist, fs.ErrNotExist, fs.ErrPermission,
		context.DeadlineExceeded,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

var damageOptions = channel.Options{
	Slots: 64, SlotSize: 64, ArenaBytes: 16 << 10, MaxParticipants: 8, Checksums: true,
	Lifetime: channel.Persistent,
}

// damages are what somebody who may write a file can do to a page of it.
var damages = map[string]func(f *os.File, size, page int64) error{
	"truncate": func(f *os.File, _, page int64) error { return f.Truncate(page * layout.PageSize) },
	"truncate and grow": func(f *os.File, size, page int64) error {
		return errors.Join(f.Truncate(page*layout.PageSize), f.Truncate(size))
	},
	"punch": func(f *os.File, _, page int64) error {
		const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
		return unix.Fallocate(int(f.Fd()), punch, page*layout.PageSize, layout.PageSize)
	},
}

// bearable skips what the race detector cannot bear. It makes atomic operations in C, where a
// fault is the end; it looks whether the memory is there, but a moment before.
func bearable(t *testing.T, damage string) {
	t.Helper()
	if race.Enabled && strings.HasPrefix(damage, "truncate") {
		t.Skip("memory may go away inside of the race detector")
	}
}

// TestWhoeverIsAtWorkSurvivesDamageOfEveryPage cuts, punches and zeroes a file at each of
// its pages while several processes work with it: nobody dies, hangs, or gets a message
// that nobody sent.
func TestWhoeverIsAtWorkSurvivesDamageOfEveryPage(t *testing.T) {
	shmtest.Dir(t)
	shmtest.Watchdog(t, 30*time.Minute)
	started := time.Now()
	const total = 9 // pages of a segment of damageOptions
	step := max(1, total/max(1, evidence.Size(t, "damagepages", 3)))
	counts := map[string]int64{"died": 0, "phantoms": 0, "hung": 0}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			bearable(t, name)
			for page := int64(0); page < total; page += int64(step) {
				counts[name]++
				damageAtWork(t, fmt.Sprintf("%s page %d", name, page), page%2 == 1,
					func(f *os.File) error {
						info, err := f.Stat()
						if err != nil {
							return err
						}
						require.EqualValues(t, total*layout.PageSize, info.Size())
						return damage(f, info.Size(), page)
					})
			}
		})
	}
	evidence.Write(t, started, evidence.Record{
		Name: "damage", Title: "pages are cut, zeroed and punched under whoever uses them",
		Guarantees: []string{"G15"}, Counts: counts,
	})
}

// TestWhoeverIsAtWorkIsToldThatTheNameIsGone takes the name from a segment in several ways:
// whoever waits or sends learns of it, and whatever has the name then is left alone.
func TestWhoeverIsAtWorkIsToldThatTheNameIsGone(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"unlink": os.Remove,
		"rename over": func(path string) error {
			err := os.WriteFile(path+"x", []byte("other"), 0o600)
			return errors.Join(err, os.Rename(path+"x", path))
		},
		"recreate": func(path string) error {
			err := os.Remove(path)
			if err != nil {
				return err
			}
			ch, err := channel.Create(context.Background(), "q", damageOptions)
			if err != nil {
				return err
			}
			return ch.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := shmtest.Dir(t)
			shmtest.Watchdog(t, limit)
			path := filepath.Join(dir, "shmring.q")
			var heir os.FileInfo
			answers := damageAtWork(t, name, false, func(*os.File) error {
				err := lose(path)
				heir, _ = os.Stat(path) // there is none after an unlink
				return err
			})
			for _, line := range answers {
				require.Regexp(t, "ErrOrphaned|segment was unlinked|told to stop", line)
			}
			now, err := os.Stat(path)
			require.Equal(t, heir == nil, err != nil)
			if heir != nil {
				require.True(t, os.SameFile(heir, now), "the new one was touched")
				require.NoError(t, os.Remove(path))
			}
		})
	}
}

// damageAtWork has all kinds of workers at work on a channel, damages it, and waits for
// all.
func damageAtWork(
	t *testing.T, what string, closer bool, damage func(f *os.File) error,
) (answers []string) {
	t.Helper()
	ch, err := channel.Create(t.Context(), "q", damageOptions)
	require.NoError(t, err)
	path := ch.Path()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	same, err := f.Stat()
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	seen, err := channel.Open(t.Context(), "q", channel.OpenOptions{ReadOnly: true})
	require.NoError(t, err)
	work := [][]string{
		{"sender", "guarded"},
		{"receiver", "guarded"},
		{"watcher", "plain"},
		{"watcher", "read-only"},
		{"looker", "read-only"},
		{"closer", "plain"},
	}
	if !closer {
		work = work[:len(work)-1]
	}
	all := make([]*shmtest.Child, len(work))
	for i, args := range work {
		all[i] = shmtest.Start(t, "damaged", args...)
		all[i].Expect("ready")
	}
	for seen.Stats().Received < 100 && seen.State() == state.Active {
		shmtest.Yield()
	}
	require.NoError(t, damage(f))
	for i, c := range all {
		c.Say("stop")
		line, ok := c.Hear()
		require.True(t, ok && strings.HasPrefix(line, "ended"), "%s: %v: %s", what, work[i], c)
		require.NoError(t, c.Wait(), what)
		answers = append(answers, line)
	}
	require.NoError(t, f.Close())
	_ = seen.Close() // that its memory is gone is what was done
	if now, err := os.Stat(path); err == nil && os.SameFile(same, now) {
		require.NoError(t, os.Remove(path)) // else it went with a shutdown
	}
	return answers
}

// TestParkedReceiverLearnsOfDamageByItself damages the control words under a process that
// sleeps, and tells it nothing.
func TestParkedReceiverLearnsOfDamageByItself(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			bearable(t, name)
			ctx := begin(t)
			ch, err := channel.Create(ctx, "q", damageOptions)
			require.NoError(t, err)
			f, err := os.OpenFile(ch.Path(), os.O_RDWR, 0)
			require.NoError(t, err)
			info, err := f.Stat()
			require.NoError(t, err)
			c := shmtest.Start(t, "damaged", "waiter", "guarded")
			c.Expect("ready")
			awaitWaiting(t, ch, "data")
			require.NoError(t, damage(f, info.Size(), 1)) // that of the control words
			line, ok := c.Hear()
			require.True(t, ok, c)
			require.Regexp(t, "^ended by .*(memory is gone|corrupt segment)", line)
			c.Say("stop")
			require.NoError(t, c.Wait())
			require.NoError(t, f.Close())
			_ = ch.Close() // that its memory is gone is what was done
			require.NoError(t, os.Remove(ch.Path()))
		})
	}
}

// TestNobodySleepsOverZeroes has a file that was truncated and grown again while nothing had
// been sent or received: to the ring it looks fresh and empty.
func TestNobodySleepsOverZeroes(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 4})
	tx, rx := pair(t, ch)
	begun, ended := watchOf(ctx, ch)
	<-begun
	info, err := os.Stat(ch.Path())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(ch.Path(), 0))
	require.NoError(t, os.Truncate(ch.Path(), info.Size()))
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrCorrupt)
	for err = nil; err == nil; {
		err = tx.Send(ctx, []byte("x"))
	}
	require.ErrorIs(t, err, channel.ErrCorrupt, "it had to wait for room")
	err = <-ended // it may have met the moment in between
	require.True(t, errors.Is(err, channel.ErrCorrupt) || errors.Is(err, channel.ErrFault), err)
	require.ErrorIs(t, ch.Seal("no"), channel.ErrCorrupt)
	_, err = ch.Recover(ctx)
	require.ErrorIs(t, err, channel.ErrCorrupt)
	_, err = channel.Open(ctx, "q", channel.OpenOptions{})
	require.ErrorIs(t, err, channel.ErrCorrupt)
	require.NoError(t, ch.Close())
	require.NoError(t, channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true}))
}

// TestCopyThatDiffersFromItsChecksumIsDamage changes a message between the look that found
// it whole and the copy.
func TestCopyThatDiffersFromItsChecksumIsDamage(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 4, Checksums: true})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("shining")))
	_, err := channel.Wait(ctx, rx)
	require.NoError(t, err)
	at := bytes.Index(ch.View().Slots, []byte("shining"))
	require.GreaterOrEqual(t, at, 0)
	ch.View().Slots[at] = 'w'
	got, err := rx.RecvAppend(ctx, []byte("kept"))
	require.ErrorIs(t, err, channel.ErrCorrupt)
	require.Equal(t, "kept", string(got))
	require.Equal(t, state.Error, ch.State())
	_, err = ch.Recover(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, []byte("whole")))
	got, err = rx.RecvAppend(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "whole", string(got))
	require.NoError(t, ch.Close())
}

// TestCancelAndCloseReachWhoSleepsOnMemoryThatIsGone: no word can wake him.
func TestCancelAndCloseReachWhoSleepsOnMemoryThatIsGone(t *testing.T) {
	for _, sleepers := range []int{1, 6} { // one with a thread of its own; some that share one
		for _, closes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d sleepers, close %v", sleepers, closes), func(t *testing.T) {
				bearable(t, "truncate")
				channel.NoSlices()
				ctx := begin(t)
				ended := make(chan error, sleepers)
				var ends []func()
				for i := range sleepers {
					q := fmt.Sprintf("q%d", i)
					ends = append(ends, sleepOnWhatGoes(ctx, t, q, closes, ended))
				}
				for _, end := range ends {
					end()
				}
				for range sleepers {
					require.Error(t, <-ended)
				}
			})
		}
	}
}

// sleepOnWhatGoes has a receiver fall asleep, and takes away its file. What it returns ends the
// wait.
func sleepOnWhatGoes(
	ctx context.Context, t *testing.T, name string, closes bool, ended chan<- error,
) func() {
	t.Helper()
	o := damageOptions
	o.Guard = true
	ch, err := channel.Create(ctx, name, o)
	require.NoError(t, err)
	ch.LoseNotices()
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	own, cancel := context.WithCancel(ctx)
	t.Cleanup(func() {
		cancel()
		_ = ch.Close() // its memory is gone
		require.NoError(t, os.Remove(ch.Path()))
	})
	go func() { _, err := rx.Recv(own); ended <- err }()
	awaitWaiting(t, ch, "data")
	require.NoError(t, os.Truncate(ch.Path(), 0))
	if closes {
		return func() { _ = rx.Close() } // likewise
	}
	return cancel
}
