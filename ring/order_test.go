//go:build fault

package ring

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/futex"
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// A moment is what is in memory at a fault point.
type moment struct {
	at        string
	tail      uint64 // slots
	intent    uint64
	committed []bool // the slots of the ring, in the lap that begins at zero
}

// watch records the moments of f, as the given place sees them.
func watch(r *Ring, v *layout.View, place int, f func()) []moment {
	var seen []moment
	fault.SetHook(func(name string) {
		m := moment{
			at: name, tail: r.Tail().Slot, intent: v.Participants[place].Intent.Load(),
		}
		for i := range v.SlotCount {
			w := layout.Commit(r.cell(slotPos(i)).commit().Load())
			m.committed = append(m.committed, w.Kind() != layout.SlotNone)
		}
		seen = append(seen, m)
	})
	defer fault.SetHook(nil)
	f()
	return seen
}

func TestOrderOfASend(t *testing.T) {
	r, v := newRing(t, params(1, 16, 0))
	p := r.NewProducer(2)
	mine, no, yes := IntentOf(0, 1), []bool{false}, []bool{true}
	assert.Equal(t, []moment{
		{"ring.claim.tail", 0, 0, no},
		{"ring.claim.intent", 0, mine, no},
		{"ring.claim.won", 1, mine, no},
		{"ring.send.filled", 1, mine, no},
		{"ring.commit.stored", 1, mine, yes},
		{"ring.commit.cleared", 1, 0, yes},
	}, watch(r, v, 2, func() { require.NoError(t, p.Send([]byte("x"))) }))
}

func TestOrderOfAReservation(t *testing.T) {
	for name, end := range map[string]func(p *Producer) error{
		"ring.commit.filled": func(p *Producer) error { return p.Commit(1) },
		"ring.abort.begin":   func(p *Producer) error { p.Abort(); return nil },
	} {
		r, v := newRing(t, params(1, 16, 0))
		p := r.NewProducer(2)
		mine, no, yes := IntentOf(0, 1), []bool{false}, []bool{true}
		assert.Equal(t, []moment{
			{"ring.claim.tail", 0, 0, no},
			{"ring.claim.intent", 0, mine, no},
			{"ring.claim.won", 1, mine, no},
			{name, 1, mine, no},
			{"ring.commit.stored", 1, mine, yes},
			{"ring.commit.cleared", 1, 0, yes},
		}, watch(r, v, 2, func() {
			_, err := p.Reserve(1)
			require.NoError(t, err)
			require.NoError(t, end(p))
		}))
	}
}

func TestOrderOfABatch(t *testing.T) {
	r, v := newRing(t, params(4, 16, 0))
	p := r.NewProducer(2)
	mine := IntentOf(0, 3)
	no, third := []bool{false, false, false, false}, []bool{false, true, false, false}
	last, all := []bool{false, true, true, false}, []bool{true, true, true, false}
	assert.Equal(t, []moment{
		{"ring.claim.tail", 0, 0, no},
		{"ring.claim.intent", 0, mine, no},
		{"ring.claim.won", 3, mine, no},
		{"ring.batch.claimed", 3, mine, no},
		{"ring.batch.filled", 3, mine, no},
		{"ring.batch.filled", 3, mine, third},
		{"ring.batch.last", 3, mine, last},
		{"ring.commit.stored", 3, mine, all},
		{"ring.commit.cleared", 3, 0, all},
	}, watch(r, v, 2, func() {
		n, err := p.SendBatch([][]byte{{1}, {2}, {3}})
		require.NoError(t, err)
		require.Equal(t, 3, n)
	}))
}

// The payload is there before the commit word is.
func TestOrderOfAPayload(t *testing.T) {
	r, v := newRing(t, stamped(1, 64, 0))
	p := r.NewProducer(2)
	fault.SetHook(func(name string) {
		if name == "ring.send.filled" {
			assert.Equal(t, "payload", string(v.Slots[v.PayloadOff:v.PayloadOff+7]))
			assert.NotZero(t, layout.Word(v.Slots, uint64(v.ChecksumOff)).Load())
			assert.NotZero(t, layout.Word(v.Slots, uint64(v.TimestampOff)).Load())
		}
	})
	defer fault.SetHook(nil)
	require.NoError(t, p.Send([]byte("payload")))
}

// A loser shows no intent by the time it looks at the tail again, whatever comes then:
// another attempt, a full ring or a seal.
func TestOrderOfALostRace(t *testing.T) {
	for name, call := range map[string]func(p *Producer) error{
		"send":    func(p *Producer) error { return p.Send([]byte{1}) },
		"reserve": func(p *Producer) error { _, err := p.Reserve(1); return err },
		"batch":   func(p *Producer) error { _, err := p.SendBatch([][]byte{{1}, {}}); return err },
	} {
		for slots, want := range map[uint64]error{4: nil, 1: ErrFull} {
			r, v := newRing(t, params(slots, 16, 0))
			p, other := r.NewProducer(2), r.NewProducer(3)
			var points []string
			raced, theirs := false, false
			fault.SetHook(func(at string) {
				if theirs {
					return
				}
				if at == "ring.claim.intent" && !raced {
					raced, theirs = true, true
					assert.NoError(t, other.Send(nil))
					theirs, points = false, nil
					return
				}
				points = append(points, at)
				if at == "ring.claim.tail" || at == "ring.claim.full" {
					assert.Zero(t, v.Participants[2].Intent.Load(), "%s of %d", name, slots)
				}
			})
			err := call(p)
			fault.SetHook(nil)
			require.Equal(t, want, err, "%s of %d", name, slots)
			require.Equal(t, []string{"ring.claim.lost"}, points[:1])
			if want != nil {
				require.Zero(t, v.Participants[2].Intent.Load())
			}
		}
	}
}

func TestOrderOfALostRaceBeforeASeal(t *testing.T) {
	r, v := newRing(t, params(4, 16, 0))
	p := r.NewProducer(2)
	sealed := false
	fault.SetHook(func(at string) {
		if at == "ring.claim.intent" {
			sealed = r.Seal()
		}
	})
	err := p.Send(nil)
	fault.SetHook(nil)
	require.True(t, sealed)
	require.Equal(t, ErrSealed, err)
	require.Zero(t, v.Participants[2].Intent.Load())
	require.Zero(t, r.Tail().Slot)
}

func TestOrderOfPublishing(t *testing.T) {
	r, v := newRing(t, params(1, 16, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	require.NoError(t, tx.Send(nil))
	pos := take(t, rx, 1)
	futex.Announce(&v.Control.Space, 2)
	var at []string
	fault.SetHook(func(name string) {
		at = append(at, name)
		want := uint64(1)
		if name == "ring.publish.begin" {
			want = 0
		}
		assert.Equal(t, want, r.Head().Slot, name)
	})
	require.True(t, rx.Release(pos[0]))
	fault.SetHook(nil)
	require.Equal(t, []string{
		"ring.publish.begin", "ring.publish.stored", "futex.signal.before", "futex.signal.bumped",
	}, at)
}

func TestOrderOfASkip(t *testing.T) {
	r, v := newRing(t, params(2, 16, 0))
	dead, rx := r.NewProducer(2), newConsumer(t, r)
	_, err := dead.claim(1, 0)
	require.NoError(t, err)
	futex.Announce(&v.Control.Data, 0)
	var at []string
	fault.SetHook(func(name string) {
		if name != "ring.skip.intent" {
			at = append(at, name)
		}
		w := layout.Commit(r.cell(0).commit().Load())
		assert.Equal(t, name == "ring.skip.aborted" || name[:5] == "futex",
			w.Kind() == layout.SlotAborted, name)
	})
	owner, err := rx.Skip(func(int) bool { return false })
	fault.SetHook(nil)
	require.NoError(t, err)
	require.Equal(t, -1, owner)
	require.Equal(t, []string{
		"ring.skip.looked", "ring.skip.tail", "ring.skip.scanned", "ring.skip.checked",
		"ring.skip.aborted", "futex.signal.before", "futex.signal.bumped",
	}, at)
}

// A slot that its owner commits while it is being skipped is delivered.
func TestSkipLosesAgainstACommitAtEveryStep(t *testing.T) {
	for _, step := range []string{
		"ring.skip.looked", "ring.skip.tail", "ring.skip.intent", "ring.skip.scanned",
		"ring.skip.checked",
	} {
		r, v := newRing(t, params(2, 16, 0))
		tx, rx := r.NewProducer(2), newConsumer(t, r)
		buf, err := tx.Reserve(1)
		require.NoError(t, err)
		buf[0] = 7
		done := false
		fault.SetHook(func(name string) {
			if name == step && !done {
				done = true
				assert.NoError(t, tx.Commit(1))
			}
		})
		// Whoever asks says dead: only the second look protects the commit then.
		owner, err := rx.Skip(func(int) bool { return false })
		fault.SetHook(nil)
		require.NoError(t, err)
		require.Equal(t, -1, owner)
		require.True(t, done)
		require.Equal(t, []byte{7}, recv(t, rx), step)
		require.Zero(t, v.Control.Totals.Holes.Load())
	}
}
