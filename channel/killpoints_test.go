//go:build fault

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

// These tests kill a process at every fault point that its part of a conversation passes,
// at the first hits of each, and look at what becomes of the others. A first run without a
// kill records which points there are.

func init() { children["victim"] = childVictim }

// envRecord makes a victim tell which points it passed instead of dying at one.
const envRecord = "SHMRING_TEST_RECORD"

// maxHit is how often a point is passed before its kills are given up.
const maxHit = 3

// victims are the parts that can be killed. They store how far they were acknowledged
// in the first word.
var victims = map[string]func(ctx context.Context, name string, acked *atomic.Uint64) error{
	"sender":    victimSender,
	"receiver":  victimReceiver,
	"closer":    victimShutdown(channel.Leave),
	"forcer":    victimShutdown(channel.Force),
	"rollback":  victimShutdown(channel.Rollback),
	"recoverer": victimRecoverer,
	"opener":    victimOpener,
}

func childVictim(c *shmtest.Conn, args []string) error {
	channel.NoSlices()
	words, err := shmtest.Words(args[1], 1)
	if err != nil {
		return err
	}
	counts := make(map[string]int)
	var mu sync.Mutex
	if os.Getenv(envRecord) != "" {
		fault.SetHook(func(name string) {
			mu.Lock()
			defer mu.Unlock()
			counts[name]++
		})
	}
	err = victims[args[2]](context.Background(), args[0], words[0])
	fault.SetHook(nil)
	mu.Lock()
	defer mu.Unlock()
	for name, n := range counts {
		c.Say("%s %d", name, n)
	}
	return err
}

func victimSender(ctx context.Context, name string, acked *atomic.Uint64) error {
	ch, err := channel.Open(ctx, name, channel.OpenOptions{})
	if err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	next := uint64(0)
	ack := func(n uint64, err error) error {
		if err == nil {
			next += n
			acked.Store(next)
		}
		return err
	}
	for range 2 {
		lease, err := tx.Reserve(ctx, 400)
		if err != nil {
			return err
		}
		lease.Abort()
		lease, err = tx.Reserve(ctx, 6000)
		if err != nil {
			return err
		}
		err = errors.Join(
			ack(1, lease.Commit(copy(lease.Bytes(), message(1, next)))),
			ack(1, tx.Send(ctx, message(1, next))),
			ack(1, tx.Send(ctx, message(1, next))),
		)
		if err != nil {
			return err
		}
		batch := [][]byte{message(1, next), message(1, next+1), message(1, next+2)}
		n, err := tx.SendBatch(ctx, batch)
		if err = ack(uint64(n), err); err != nil {
			return err
		}
	}
	return errors.Join(tx.Close(), ch.Close())
}

// killPoints returns the points that a role passes, with the number of hits to try.
func killPoints(t *testing.T, role string, run func(t *testing.T, v *victim)) map[string]int {
	t.Helper()
	points := make(map[string]int)
	t.Setenv(envRecord, "1")
	run(t, &victim{role: role, points: points})
	t.Setenv(envRecord, "")
	require.NotEmpty(t, points)
	return points
}

// A victim is one process that is going to be killed.
type victim struct {
	role   string
	point  string
	hit    int
	points map[string]int // filled instead of a kill
	acked  *atomic.Uint64
	child  *shmtest.Child
}

func (v *victim) start(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "acked")
	words, err := shmtest.Words(path, 1)
	require.NoError(t, err)
	v.acked = words[0]
	if v.points == nil {
		t.Setenv(fault.EnvVar, fmt.Sprintf("%s:kill:%d", v.point, v.hit))
	}
	v.child = shmtest.Start(t, "victim", "q", path, v.role)
	t.Setenv(fault.EnvVar, "")
}

// await waits for the victim's end and collects what it recorded.
func (v *victim) await(t *testing.T) {
	t.Helper()
	require.NoError(t, v.end())
}

// end is await for a goroutine. That the victim was killed is no error.
func (v *victim) end() error {
	for {
		line, ok := v.child.Hear()
		if !ok {
			break
		}
		name, count, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(count)
		if err != nil {
			return fmt.Errorf("victim said %q: %w", line, err)
		}
		if v.points != nil {
			v.points[name] = min(n, maxHit)
		}
	}
	err := v.child.Wait()
	if err != nil && v.points == nil && strings.Contains(err.Error(), "killed") {
		return nil
	}
	return err
}

// killEverywhere runs a conversation once for each point and hit.
func killEverywhere(t *testing.T, role string, run func(t *testing.T, v *victim)) {
	t.Helper()
	channel.NoSlices()
	points := killPoints(t, role, run)
	names := make([]string, 0, len(points))
	for name := range points {
		names = append(names, name)
	}
	slices.Sort(names)
	kills := 0
	for _, name := range names {
		for hit := 1; hit <= points[name]; hit++ {
			t.Run(fmt.Sprintf("%s/%d", name, hit), func(t *testing.T) {
				run(t, &victim{role: role, point: name, hit: hit})
			})
			kills++
		}
	}
	t.Logf("%d kills at %d points", kills, len(names))
}

// tally checks what arrives: each sender's messages in order, without a gap.
type tally struct {
	next  [3]uint64
	loose *atomic.Uint64 // sender 1 may have gaps from this message on: a killed batch
	err   error
}

func (y *tally) take(m channel.Message) {
	who, i, err := verify(m.Bytes())
	switch {
	case err != nil:
		y.err = errors.Join(y.err, err)
	case i < y.next[who] && m.Redelivered():
	case who == 1 && y.loose != nil && i > y.next[1] && y.next[1] >= y.loose.Load():
		y.next[1] = i + 1
	case i != y.next[who]:
		err := fmt.Errorf("sender %d: message %d, want %d", who, i, y.next[who])
		y.err = errors.Join(y.err, err)
	default:
		y.next[who]++
	}
	m.Release()
}

func TestKillOfASenderAtEveryPoint(t *testing.T) {
	killEverywhere(t, "sender", func(t *testing.T, v *victim) {
		t.Helper()
		ctx := begin(t)
		ch := newChannel(t, channel.Options{Slots: 8, ArenaBytes: 32 << 10})
		tx, rx := pair(t, ch)
		v.start(t)
		got := make(chan tally, 1)
		go func() {
			y := tally{loose: v.acked}
			for y.err == nil {
				m, err := rx.Recv(ctx)
				if errors.Is(err, io.EOF) {
					break
				}
				if errors.Is(err, channel.ErrPeerDead) {
					continue
				}
				if err != nil {
					y.err = err
					break
				}
				y.take(m)
			}
			got <- y
		}()
		const count = 40
		for i := range uint64(count) {
			require.NoError(t, tx.Send(ctx, message(2, i)))
		}
		v.await(t)
		// Room for the largest message can be had again, whatever the dead had reserved.
		require.NoError(t, tx.Send(ctx, message(2, count)))
		require.NoError(t, ch.Seal("end"))
		y := <-got
		require.NoError(t, y.err)
		require.EqualValues(t, count+1, y.next[2])
		require.GreaterOrEqual(t, y.next[1], v.acked.Load())
		require.LessOrEqual(t, y.next[1], v.acked.Load()+3, "at most the batch that was under way")
		_, err := ch.Shutdown(ctx, channel.ShutdownOptions{})
		require.NoError(t, err)
		require.NoError(t, ch.Close())
	})
}

func victimReceiver(ctx context.Context, name string, acked *atomic.Uint64) error {
	ch, err := channel.Open(ctx, name, channel.OpenOptions{})
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	var held channel.Message
	for i := range uint64(12) {
		m, err := rx.Recv(ctx)
		if err != nil {
			return err
		}
		_, got, err := verify(m.Bytes())
		if err != nil {
			return err
		}
		if got != i {
			return fmt.Errorf("message %d, want %d", got, i)
		}
		acked.Store(i + 1)
		if i%3 == 0 {
			held.Release() // out of order
			held = m
			continue
		}
		m.Release()
	}
	held.Release()
	return errors.Join(rx.Close(), ch.Close())
}

func TestKillOfAReceiverAtEveryPoint(t *testing.T) {
	killEverywhere(t, "receiver", func(t *testing.T, v *victim) {
		t.Helper()
		ctx := begin(t)
		ch := newChannel(t, channel.Options{Slots: 4, ArenaBytes: 32 << 10})
		tx, err := ch.Sender(ctx)
		require.NoError(t, err)
		v.start(t)
		const count = 40
		sent := make(chan error, 1)
		go func() {
			for i := uint64(0); i < count; {
				err := tx.Send(ctx, message(1, i))
				switch {
				case err == nil:
					i++
				case errors.Is(err, channel.ErrPeerDead):
					shmtest.Yield()
				default:
					sent <- err
					return
				}
			}
			sent <- ch.Seal("end")
		}()
		v.await(t)
		rx, err := ch.Receiver(ctx)
		require.NoError(t, err)
		var y tally
		first := true
		for m, err := range rx.Messages(ctx) {
			require.NoError(t, err)
			_, i, err := verify(m.Bytes())
			require.NoError(t, err)
			if first { // the successor begins at what was not published
				require.LessOrEqual(t, i, v.acked.Load()+1, "lost")
				y.next[1], first = i, false
			}
			if v.acked.Load() > i && v.points == nil && v.child.Wait() != nil {
				require.True(t, m.Redelivered(), "message %d was handed out before", i)
			}
			y.take(m)
		}
		require.NoError(t, y.err)
		require.NoError(t, <-sent)
		require.EqualValues(t, count, y.next[1])
		_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
		require.NoError(t, err)
		require.NoError(t, ch.Close())
	})
}

func victimShutdown(p channel.Policy) func(context.Context, string, *atomic.Uint64) error {
	return func(ctx context.Context, name string, acked *atomic.Uint64) error {
		ch, err := channel.Open(ctx, name, channel.OpenOptions{})
		if err != nil {
			return err
		}
		if p != channel.Leave {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
		}
		_, err = ch.Shutdown(ctx, channel.ShutdownOptions{Reason: "victim", AtDeadline: p})
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		acked.Store(1)
		return ch.Close()
	}
}

func TestKillOfACloserAtEveryPoint(t *testing.T) {
	killEverywhere(t, "closer", func(t *testing.T, v *victim) {
		t.Helper()
		ctx := begin(t)
		ch := newChannel(t, channel.Options{Slots: 8})
		tx, rx := pair(t, ch)
		v.start(t)
		sent := make(chan uint64, 1)
		go func() {
			i := uint64(0)
			for tx.Send(ctx, message(1, i)) == nil {
				i++
			}
			sent <- i
		}()
		ended := make(chan error, 1)
		go func() { ended <- v.end() }()
		var y tally
		for {
			m, err := rx.TryRecv()
			if errors.Is(err, io.EOF) {
				break
			}
			if !errors.Is(err, channel.ErrEmpty) {
				require.NoError(t, err)
				y.take(m)
				continue
			}
			select {
			case err := <-ended:
				require.NoError(t, err)
				// Killed before it sealed or after: whoever comes next completes it.
				require.NoError(t, ch.Seal("in its place"))
				ended <- nil
			default:
				shmtest.Yield()
			}
		}
		require.NoError(t, <-ended)
		require.NoError(t, y.err)
		require.Equal(t, <-sent, y.next[1], "accepted is delivered, refused is not")
		_, err := ch.Shutdown(ctx, channel.ShutdownOptions{})
		require.NoError(t, err)
		require.Equal(t, state.Closed, ch.State())
		require.NoError(t, ch.Close())
	})
}

func TestKillOfAForcerAtEveryPoint(t *testing.T) {
	killEverywhere(t, "forcer", func(t *testing.T, v *victim) {
		t.Helper()
		ctx := begin(t)
		ch := newChannel(t, channel.Options{Slots: 8})
		tx, err := ch.Sender(ctx)
		require.NoError(t, err)
		for i := range uint64(5) {
			require.NoError(t, tx.Send(ctx, message(1, i)))
		}
		v.start(t)
		v.await(t)
		r, err := ch.Shutdown(short(t), channel.ShutdownOptions{AtDeadline: channel.Force})
		require.NoError(t, err)
		require.Equal(t, state.Closed, r.State)
		require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrClosed)
		require.LessOrEqual(t, ch.Stats().Discarded, uint64(10), "a repeated count at most")
		require.NoError(t, ch.Close())
	})
}

func TestKillOfARollbackAtEveryPoint(t *testing.T) {
	killEverywhere(t, "rollback", func(t *testing.T, v *victim) {
		t.Helper()
		ctx := begin(t)
		ch := newChannel(t, channel.Options{Slots: 8})
		tx, rx := pair(t, ch)
		for i := range uint64(3) {
			require.NoError(t, tx.Send(ctx, message(1, i)))
		}
		v.start(t)
		v.await(t)
		require.NoError(t, bringBack(ctx, ch))
		next := uint64(3)
		// A victim may have died between the seal and the state.
		if err := tx.Send(ctx, message(1, 3)); err == nil {
			next++
		} else {
			require.ErrorIs(t, err, channel.ErrDraining)
		}
		require.NoError(t, ch.Seal("end"))
		var y tally
		for m, err := range rx.Messages(ctx) {
			require.NoError(t, err)
			y.take(m)
		}
		require.NoError(t, y.err)
		require.Equal(t, next, y.next[1])
		_, err := ch.Shutdown(ctx, channel.ShutdownOptions{})
		require.NoError(t, err)
		require.NoError(t, ch.Close())
	})
}

// bringBack makes a channel that a killed process left in ERROR usable again.
func bringBack(ctx context.Context, ch *channel.Channel) error {
	if s := ch.State(); s == state.Active || s == state.Draining {
		return nil
	}
	return mend(ctx, ch)
}

func victimRecoverer(ctx context.Context, name string, acked *atomic.Uint64) error {
	ch, err := channel.Open(ctx, name, channel.OpenOptions{})
	if err != nil {
		return err
	}
	if err := mend(ctx, ch); err != nil {
		return err
	}
	acked.Store(1)
	return ch.Close()
}

func TestKillOfARecovererAtEveryPoint(t *testing.T) {
	killEverywhere(t, "recoverer", func(t *testing.T, v *victim) {
		t.Helper()
		ctx := begin(t)
		ch := newChannel(t, channel.Options{Slots: 8})
		tx, rx := pair(t, ch)
		for i := range uint64(4) {
			require.NoError(t, tx.Send(ctx, message(1, i)))
		}
		// The third slot is damaged.
		word := layout.Word(ch.View().Slots, 2*uint64(ch.View().SlotSize))
		word.Store(0xdead_beef_dead_beef)
		require.Equal(t, 2, drainAll(rx))
		_, err := rx.Recv(ctx)
		require.ErrorIs(t, err, channel.ErrCorrupt)
		require.NoError(t, rx.Close())
		require.Equal(t, state.Error, ch.State())
		require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrCorrupt)
		v.start(t)
		v.await(t)
		require.NoError(t, mend(ctx, ch), "the next one completes it")
		require.Equal(t, state.Active, ch.State())
		require.NoError(t, tx.Send(ctx, message(1, 4)))
		require.NoError(t, ch.Seal("end"))
		rx, err = ch.Receiver(ctx)
		require.NoError(t, err)
		var got []uint64
		for m, err := range rx.Messages(ctx) {
			require.NoError(t, err)
			_, i, err := verify(m.Bytes())
			require.NoError(t, err)
			got = append(got, i)
		}
		require.Equal(t, []uint64{3, 4}, got, "what was whole is kept")
		require.NotZero(t, ch.Stats().Corrupt)
		_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
		require.NoError(t, err)
		require.NoError(t, ch.Close())
	})
}

func victimOpener(ctx context.Context, name string, acked *atomic.Uint64) error {
	ch, err := channel.OpenOrCreate(ctx, name, channel.Options{Slots: 8})
	if err != nil {
		return err
	}
	acked.Store(1)
	return ch.Close()
}

func TestKillOfAnOpenerAtEveryPoint(t *testing.T) {
	killEverywhere(t, "opener", func(t *testing.T, v *victim) {
		t.Helper()
		ctx := begin(t)
		v.start(t)
		v.await(t)
		ch, err := channel.OpenOrCreate(ctx, "q", channel.Options{Slots: 8})
		require.NoError(t, err)
		tx, rx := pair(t, ch)
		require.NoError(t, tx.Send(ctx, []byte("works")))
		m, err := rx.Recv(ctx)
		require.NoError(t, err)
		m.Release()
		require.NoError(t, ch.Close())
	})
}
