package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/internal/shmtest"
)

// numbered is the smallest message that says who sent it as which one, and proves that
// it is whole.
const numbered = 8

// number fills b with the n-th message of a sender.
func number(b []byte, sender, n int) {
	binary.LittleEndian.PutUint32(b, uint32(sender)<<24|uint32(n))
	for i := numbered; i < len(b); i++ {
		b[i] = byte(i*31 + n*7 + sender)
	}
	binary.LittleEndian.PutUint32(b[4:], digest(b))
}

func digest(b []byte) uint32 {
	d := xxhash.New()
	_, _ = d.Write(b[:4])
	_, _ = d.Write(b[numbered:])
	return uint32(d.Sum64()) ^ uint32(len(b))
}

// numberOf returns who sent b as which one, or an error if b is not what was sent.
func numberOf(b []byte) (sender, n int, err error) {
	if len(b) < numbered {
		return 0, 0, fmt.Errorf("message of %d bytes", len(b))
	}
	w := binary.LittleEndian.Uint32(b)
	if got := binary.LittleEndian.Uint32(b[4:]); got != digest(b) {
		return 0, 0, fmt.Errorf("message %#x of %d bytes is torn", w, len(b))
	}
	return int(w >> 24), int(w & 0xffffff), nil
}

// A talker sends until it is refused. All that it was acknowledged are its messages from
// zero on.
type talker struct {
	p     *Producer
	id    int
	acked int
	most  int // messages
	size  int // largest
	rnd   *rand.Rand
}

func (x *talker) run() error {
	for x.acked < x.most {
		err := x.call()
		switch {
		case err == nil:
		case errors.Is(err, ErrFull):
			shmtest.Yield()
		case errors.Is(err, ErrSealed):
			return nil
		default:
			return fmt.Errorf("sender %d: %w", x.id, err)
		}
	}
	return nil
}

// message returns the sender's message number after the next n.
func (x *talker) message(n int) []byte {
	b := make([]byte, numbered+x.rnd.IntN(x.size-numbered+1))
	if x.rnd.IntN(2) == 0 {
		b = b[:numbered]
	}
	number(b, x.id, x.acked+n)
	return b
}

func (x *talker) call() error {
	switch x.rnd.IntN(4) {
	case 0:
		ps := make([][]byte, 1+x.rnd.IntN(6))
		for i := range ps {
			ps[i] = x.message(i)
		}
		n, err := x.p.SendBatch(ps)
		x.acked += n
		return err
	case 1:
		buf, err := x.p.Reserve(x.size)
		if err != nil {
			return err
		}
		b := x.message(0)
		copy(buf, b)
		if x.rnd.IntN(3) == 0 {
			x.p.Abort()
			return nil
		}
		if err := x.p.Commit(len(b)); err != nil {
			return err
		}
	default:
		if err := x.p.Send(x.message(0)); err != nil {
			return err
		}
	}
	x.acked++
	return nil
}

// A listener receives until the end, holding some messages and releasing in any order.
type listener struct {
	c    *Consumer
	got  map[int]int // messages received, by sender
	held []Item
	rnd  *rand.Rand
}

func (x *listener) run() error {
	for {
		var it Item
		err := x.c.Next(&it)
		switch {
		case err == nil:
			if err := x.received(it); err != nil {
				return err
			}
		case errors.Is(err, ErrEmpty), errors.Is(err, ErrHole):
			if err := x.release(len(x.held)); err != nil {
				return err
			}
			shmtest.Yield()
		case errors.Is(err, ErrEnd):
			return x.release(len(x.held))
		default:
			return err
		}
	}
}

func (x *listener) received(it Item) error {
	sender, n, err := numberOf(it.Bytes)
	if err != nil {
		return err
	}
	if n != x.got[sender] {
		return fmt.Errorf("message %d of sender %d after %d", n, sender, x.got[sender])
	}
	x.got[sender]++
	x.held = append(x.held, it)
	if len(x.held) > x.rnd.IntN(5) {
		return x.release(1 + x.rnd.IntN(len(x.held)))
	}
	return nil
}

// release gives n messages back, which must be what they were.
func (x *listener) release(n int) error {
	for range n {
		i := x.rnd.IntN(len(x.held))
		it := x.held[i]
		x.held = append(x.held[:i], x.held[i+1:]...)
		if _, _, err := numberOf(it.Bytes); err != nil {
			return fmt.Errorf("while it was held: %w", err)
		}
		if !x.c.Release(it.Pos) {
			return fmt.Errorf("position %d was held", it.Pos)
		}
	}
	return nil
}

// converse runs senders against a receiver, and seals at some moment.
func converse(t *testing.T, p layout.Params, at start, senders, messages int, rnd *rand.Rand) {
	t.Helper()
	r, v := newRing(t, p)
	r.Init(at.slot, at.arena)
	rx := &listener{
		c: newConsumer(t, r), got: map[int]int{}, rnd: rand.New(rand.NewPCG(rnd.Uint64(), 0)),
	}
	var wg sync.WaitGroup
	errs := make(chan error, senders+1)
	talkers := make([]*talker, senders)
	for i := range talkers {
		x := &talker{
			p: r.NewProducer(layout.PlaceFree + i), id: i, most: messages,
			size: v.MaxMessage(), rnd: rand.New(rand.NewPCG(rnd.Uint64(), 1)),
		}
		talkers[i] = x
		wg.Go(func() { errs <- x.run() })
	}
	early := rnd.IntN(2) == 0
	spins := rnd.IntN(200)
	done := make(chan error, 1)
	go func() { done <- rx.run() }()
	if early {
		for range spins {
			shmtest.Yield()
		}
	} else {
		wg.Wait()
	}
	r.Seal()
	wg.Wait()
	require.NoError(t, <-done)
	for i, x := range talkers {
		require.NoError(t, <-errs)
		require.Equal(t, x.acked, rx.got[i], "sender %d", i)
	}
	require.True(t, r.Drained())
	require.Zero(t, r.ArenaUsed())
	require.NoError(t, r.Check())
	rx.c.Flush()
	require.Zero(t, v.Control.Totals.Holes.Load())
}

func TestConcurrentSendersDeliverInOrderUntilTheSeal(t *testing.T) {
	shmtest.Watchdog(t, 3*time.Minute)
	rnd, _ := shmtest.Rand(t)
	messages := 400
	if testing.Short() || race.Enabled {
		messages = 60
	}
	for _, slots := range []uint64{1, 2, 4, 8, 16, 256} {
		for _, size := range []uint32{16, 32, 64, 4096} {
			for _, arena := range []uint64{0, 4 << 10, 64 << 10} {
				p := params(slots, size, arena)
				if size >= 32 && rnd.IntN(2) == 0 {
					p = stamped(slots, size, arena)
				}
				at := starts(p)
				converse(t, p, at[rnd.IntN(len(at))], 1+rnd.IntN(4), messages, rnd)
			}
		}
	}
}

// Few slots and no room for anything but the race for the tail and the seal.
func TestConcurrentSealPartsAcceptedFromRefused(t *testing.T) {
	shmtest.Watchdog(t, 3*time.Minute)
	rnd, _ := shmtest.Rand(t)
	rounds := 400
	if testing.Short() || race.Enabled {
		rounds = 60
	}
	for range rounds {
		p := params(1<<rnd.IntN(4), 16, 0)
		at := starts(p)
		converse(t, p, at[rnd.IntN(len(at))], 2+rnd.IntN(3), 30, rnd)
	}
}
