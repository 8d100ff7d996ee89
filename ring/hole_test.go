package ring

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/futex"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

func nobody(int) bool { return false }

// drain receives all there is, skips holes, and returns the messages.
func drain(t testing.TB, c *Consumer, alive func(int) bool) [][]byte {
	t.Helper()
	var out [][]byte
	for range 1 << 16 {
		var it Item
		err := c.Next(&it)
		switch {
		case err == nil:
			out = append(out, bytes.Clone(it.Bytes))
			require.True(t, c.Release(it.Pos))
		case errors.Is(err, ErrHole):
			owner, err := c.Skip(alive)
			require.NoError(t, err)
			require.Equal(t, -1, owner)
		case errors.Is(err, ErrEmpty), errors.Is(err, ErrEnd):
			return out
		default:
			require.NoError(t, err)
		}
	}
	require.Fail(t, "never empty")
	return nil
}

// A dead one is how a sender may die: what it has done by then, and how many slots of
// it are holes. The later messages of a batch that are committed are delivered.
type dead struct {
	name  string
	holes int
	got   [][]byte
	do    func(p *Producer)
}

func deadBatch(commit ...int) func(p *Producer) {
	return func(p *Producer) {
		t, err := p.claim(3, 0)
		if err != nil {
			panic(err)
		}
		for _, i := range commit {
			pos := p.slotOf(t) + slotPos(i)
			copy(p.cell(pos).bytes(p.payloadOff, 1), []byte{byte(i)})
			p.stamp(p.cell(pos), []byte{byte(i)})
			p.cell(pos).commitLater(uint64(p.commitWord(pos, layout.SlotInline, 1)))
		}
	}
}

func deaths() []dead {
	reserve := func(n int) func(p *Producer) {
		return func(p *Producer) {
			if buf, err := p.Reserve(n); err != nil || len(buf) != n {
				panic(err)
			}
		}
	}
	return []dead{
		{"before the race", 0, nil, func(p *Producer) {
			p.intent.Store(IntentOf(uint64(p.slotOf(p.tail.Load())), 1))
		}},
		{"after a lost race", 0, nil, func(p *Producer) {
			p.take(p.tail.Load()^1<<40, 0, 1)
			p.intent.Store(IntentOf(uint64(p.slotOf(p.tail.Load())), 1))
		}},
		{"with a slot", 1, nil, reserve(1)},
		{"with a payload half written", 1, nil, func(p *Producer) {
			if buf, err := p.Reserve(4); err == nil {
				copy(buf, "ab")
			}
		}},
		{"with a run in the arena", 1, nil, reserve(1000)},
		{"with half the arena", 1, nil, reserve(2048)},
		{"with a batch", 3, nil, deadBatch()},
		{"with a batch, second committed", 2, [][]byte{{1}}, deadBatch(1)},
		{"with a batch, third committed", 2, [][]byte{{2}}, deadBatch(2)},
		{"with a batch, all but the first committed", 1, [][]byte{{1}, {2}}, deadBatch(1, 2)},
		{"with all committed and the intent left", 0, [][]byte{{9}}, func(p *Producer) {
			if err := p.Send([]byte{9}); err != nil {
				panic(err)
			}
			p.intent.Store(IntentOf(uint64(p.slotOf(p.tail.Load())-1), 1))
		}},
	}
}

// Whatever a sender has done when it dies, what others sent before and after arrives,
// in order, and the room is free again.
func TestHoleOfADeadSenderIsPassedAndOthersArrive(t *testing.T) {
	for _, p := range []layout.Params{params(8, 32, 4096), stamped(8, 64, 4096)} {
		for _, at := range starts(p) {
			for _, d := range deaths() {
				r, v := newRing(t, p)
				r.Init(at.slot, at.arena)
				tx, rx := r.NewProducer(3), newConsumer(t, r)
				require.NoError(t, tx.Send([]byte("before")))
				d.do(r.NewProducer(2))
				require.NoError(t, tx.Send([]byte("after")))
				want := append([][]byte{[]byte("before")}, d.got...)
				want = append(want, []byte("after"))
				require.Equal(t, want, drain(t, rx, nobody), d.name)
				require.Equal(t, uint64(d.holes), v.Control.Totals.Holes.Load(), d.name)
				require.True(t, r.Drained())
				require.Zero(t, r.ArenaUsed(), d.name)
				whole := bytes.Repeat([]byte("x"), v.MaxMessage())
				require.NoError(t, tx.Send(whole), d.name)
				require.Equal(t, [][]byte{whole}, drain(t, rx, nobody))
				rx.Flush()
				require.Zero(t, v.Control.Totals.Aborted.Load(), "a hole is no abort")
			}
		}
	}
}

// A successor that finds the holes does the same.
func TestHoleOfADeadSenderIsPassedByASuccessor(t *testing.T) {
	for _, d := range deaths() {
		r, v := newRing(t, params(8, 32, 4096))
		tx, rx := r.NewProducer(3), newConsumer(t, r)
		d.do(r.NewProducer(2))
		require.NoError(t, tx.Send([]byte("after")))
		var it Item
		if err := rx.Next(&it); err != nil {
			_, err := rx.Skip(nobody)
			require.NoError(t, err)
		}
		next := newConsumer(t, r)
		require.Equal(t, append(d.got, []byte("after")), drain(t, next, nobody), d.name)
		require.Zero(t, r.ArenaUsed(), d.name)
		require.Equal(t, uint64(d.holes), v.Control.Totals.Holes.Load())
	}
}

func TestLivingOwnerIsNeverRobbed(t *testing.T) {
	for _, d := range deaths() {
		if d.holes == 0 {
			continue
		}
		r, v := newRing(t, params(8, 32, 4096))
		slow, tx, rx := r.NewProducer(2), r.NewProducer(3), newConsumer(t, r)
		d.do(slow)
		require.NoError(t, tx.Send(nil))
		for range 100 {
			var it Item
			require.Equal(t, ErrHole, rx.Next(&it), d.name)
			owner, err := rx.Skip(func(place int) bool {
				require.Equal(t, 2, place, "only who shows an intent is asked about")
				return true
			})
			require.NoError(t, err)
			require.Equal(t, 2, owner, d.name)
		}
		require.Zero(t, v.Control.Totals.Holes.Load())
		if slow.Pending() {
			require.NoError(t, slow.Commit(1))
			require.Len(t, drain(t, rx, nobody), 2, d.name)
		}
	}
}

// A living sender that lost the race for the slot of one that died shows an intent over
// it, for a moment: the slot may be its, so it is waited for.
func TestLivingLoserDelaysAHoleAndNoLonger(t *testing.T) {
	r, v := newRing(t, params(4, 16, 0))
	rx := newConsumer(t, r)
	_, err := r.NewProducer(2).Reserve(1)
	require.NoError(t, err)
	v.Participants[3].Intent.Store(IntentOf(0, 1))
	alive := func(place int) bool { return place == 3 }
	for range 10 {
		owner, err := rx.Skip(alive)
		require.NoError(t, err)
		require.Equal(t, 3, owner)
	}
	v.Participants[3].Intent.Store(0)
	owner, err := rx.Skip(alive)
	require.NoError(t, err)
	require.Equal(t, -1, owner)
	require.Equal(t, uint64(1), v.Control.Totals.Holes.Load())
	require.Empty(t, drain(t, rx, alive))
}

// The dead one's place may be taken by a newcomer before the hole is met.
func TestNewcomerOnThePlaceOfTheDeadDoesNotHideAHole(t *testing.T) {
	r, v := newRing(t, params(4, 16, 0))
	rx := newConsumer(t, r)
	_, err := r.NewProducer(2).Reserve(1)
	require.NoError(t, err)
	v.Participants[2].Intent.Store(0)
	tx := r.NewProducer(2)
	buf, err := tx.Reserve(1)
	require.NoError(t, err)
	buf[0] = 5
	alive := func(place int) bool { return place == 2 }
	owner, err := rx.Skip(alive)
	require.NoError(t, err)
	require.Equal(t, -1, owner, "the newcomer's intent is over the second slot")
	require.NoError(t, tx.Commit(1))
	require.Equal(t, [][]byte{{5}}, drain(t, rx, alive))
}

func TestSkipSettlesABatchSlotBySlot(t *testing.T) {
	r, v := newRing(t, params(8, 16, 0))
	rx := newConsumer(t, r)
	deadBatch(1)(r.NewProducer(2))
	for i, want := range []error{ErrHole, nil, ErrHole, ErrEmpty} {
		if want == nil {
			require.Equal(t, []byte{1}, recv(t, rx))
			continue
		}
		var it Item
		require.Equal(t, want, rx.Next(&it), "slot %d", i)
		owner, err := rx.Skip(nobody)
		require.NoError(t, err)
		require.Equal(t, -1, owner)
	}
	require.Equal(t, uint64(2), v.Control.Totals.Holes.Load())
}

func TestSkipOfNoHoleDoesNothing(t *testing.T) {
	r, v := newRing(t, params(2, 16, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	skip := func() {
		t.Helper()
		owner, err := rx.Skip(nobody)
		require.NoError(t, err)
		require.Equal(t, -1, owner)
	}
	skip() // empty
	require.NoError(t, tx.Send(nil))
	skip() // committed
	require.NoError(t, tx.Send(nil))
	take(t, rx, 2)
	skip() // all held: the next slot is that of the first message
	require.Zero(t, v.Control.Totals.Holes.Load())
	_, err := r.Unread()
	require.NoError(t, err)
}

func TestSkipWakesAndCounts(t *testing.T) {
	r, v := newRing(t, params(2, 16, 0))
	rx := newConsumer(t, r)
	_, err := r.NewProducer(2).Reserve(0)
	require.NoError(t, err)
	futex.Announce(&v.Control.Data, 0)
	_, err = rx.Skip(nobody)
	require.NoError(t, err)
	require.Equal(t, uint32(1), futex.Sample(&v.Control.Data))
}

// Aborts, deaths and long messages in any order leave an arena that takes the longest
// message again as soon as the ring is empty.
func TestArenaNeverLeaks(t *testing.T) {
	rnd, _ := shmtest.Rand(t)
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	for _, p := range []layout.Params{
		params(1, 16, 4096), params(4, 64, 4096), params(16, 32, 64<<10),
	} {
		for _, at := range starts(p) {
			r, v := newRing(t, p)
			r.Init(at.slot, at.arena)
			tx, rx := r.NewProducer(3), newConsumer(t, r)
			whole := make([]byte, v.MaxMessage())
			for range rounds {
				for range 1 + rnd.IntN(int(p.SlotCount)) {
					n := rnd.IntN(v.MaxMessage() + 1)
					switch rnd.IntN(4) {
					case 0:
						_ = tx.Send(whole[:n])
					case 1:
						_, _ = tx.SendBatch([][]byte{whole[:n], nil, whole[:n/2]})
					case 2:
						_, _ = tx.Reserve(n)
						tx.Abort()
					case 3:
						_, _ = r.NewProducer(2).Reserve(n) // and dies
					}
				}
				if rnd.IntN(20) == 0 {
					rx = newConsumer(t, r)
				}
				drain(t, rx, nobody)
				require.Zero(t, r.ArenaUsed())
				require.NoError(t, tx.Send(whole))
				require.Len(t, drain(t, rx, nobody), 1)
			}
		}
	}
}
