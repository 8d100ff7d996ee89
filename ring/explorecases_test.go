//go:build fault

package ring

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/internal/evidence"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/internal/shmtest"
)

// verdict checks what must hold at the end of every run.
func (c *cast) verdict() {
	for _, err := range []error{c.delivered(), c.inOrder(), c.settled()} {
		if err != nil {
			c.fail(err)
		}
	}
}

// delivered: what was acknowledged came, what was refused did not, nothing came twice
// to one receiver, and to its successor only what it had not released.
func (c *cast) delivered() error {
	var all []byte
	for i, x := range c.receivers {
		for j, id := range x.got {
			if slices.Contains(x.got[:j], id) {
				return fmt.Errorf("%s received message %x twice", x.name, id)
			}
			if i == 0 || !slices.Contains(all, id) {
				continue
			}
			if slices.Contains(c.receivers[0].passed(), id) {
				return fmt.Errorf("message %x came again though it was released", id)
			}
			if !slices.Contains(x.again, id) {
				return fmt.Errorf("message %x came again without saying so", id)
			}
		}
		all = append(all, x.got...)
	}
	for _, x := range c.senders {
		for _, id := range x.acked {
			if !slices.Contains(all, id) {
				return fmt.Errorf("message %x was acknowledged and is lost", id)
			}
		}
		for _, id := range x.refused {
			if slices.Contains(all, id) {
				return fmt.Errorf("message %x was refused and delivered", id)
			}
		}
	}
	return nil
}

// passed returns what the receiver released together with everything before it.
func (x *receiverRole) passed() []byte {
	held := func(id byte) bool { return !slices.Contains(x.released, id) }
	if i := slices.IndexFunc(x.got, held); i >= 0 {
		return x.got[:i]
	}
	return x.got
}

// inOrder: the messages of each sender come in their order.
func (c *cast) inOrder() error {
	for _, x := range c.receivers {
		last := map[byte]byte{}
		for _, id := range x.got {
			if before, ok := last[id>>4]; ok && id <= before {
				return fmt.Errorf("%s received %x", x.name, x.got)
			}
			last[id>>4] = id
		}
	}
	return nil
}

// settled: the ring is empty, sealed and its room free again; the slots that were
// skipped are those of the dead.
func (c *cast) settled() error {
	last := c.receivers[0]
	if last.dead {
		last = c.receivers[1]
	}
	tail, head := c.r.Tail(), c.r.Head()
	if !last.ended || tail.Slot != head.Slot || tail.Arena != head.Arena || !tail.Sealed {
		return fmt.Errorf("at the end, tail %+v, head %+v, ended %v", tail, head, last.ended)
	}
	taken := int((tail.Slot - c.slot) & c.r.slotMask)
	seen := map[byte]bool{}
	for _, x := range c.receivers {
		for _, id := range x.got {
			seen[id] = true
		}
	}
	aborted, deadOnes := 0, 0
	for _, x := range c.senders {
		aborted += x.aborted
		if x.dead {
			deadOnes++
		}
	}
	holes := int(c.v.Control.Totals.Holes.Load())
	if n := len(seen) + aborted + holes; deadOnes == 0 && n != taken {
		return fmt.Errorf("%d messages, %d aborted, %d holes, of %d slots",
			len(seen), aborted, holes, taken)
	}
	if holes > 0 && deadOnes == 0 {
		return errors.New("a hole, and nobody died")
	}
	return nil
}

// ready returns a builder of runs of s, and the check for their ends.
func ready(t testing.TB, s stage) (build func() *world, check func(*world)) {
	t.Helper()
	s.params.MaxParticipants = uint32(max(layout.MinParticipants, layout.PlaceFree+len(s.plans)))
	r, v := newRing(t, s.params)
	var c *cast
	build = func() *world {
		c = newCast(s, r, v)
		return c.world
	}
	return build, func(*world) { c.verdict() }
}

var (
	one = plans(send(8))
	two = plans(send(8), send(8))
)

// stages are the cases of which every schedule is run.
var stages = map[string]stage{
	"one sender":           {params: params(2, 16, 0), plans: [][]plan{two}},
	"one sender, one slot": {params: params(1, 16, 0), plans: [][]plan{two}},
	"one sender who may die": {
		params: params(2, 16, 0), plans: [][]plan{two}, kills: 1, mortal: true,
	},
	"two senders": {params: params(2, 16, 0), plans: [][]plan{one, one}},
	"two senders, one slot": {
		params: params(1, 16, 0), plans: [][]plan{one, one}, lateSeal: true,
	},
	"two senders who may die": {
		params: params(2, 16, 0), plans: [][]plan{one, one}, kills: 1, mortal: true, lateSeal: true,
	},
	"two senders at the wraps": {
		params: params(2, 16, 0), plans: [][]plan{one, one}, lateSeal: true, slot: 1<<63 - 1,
	},
	"a batch of one who may die": {
		params: params(4, 16, 0), plans: [][]plan{plans(sendBatch(8, 8, 8))},
		kills: 1, mortal: true,
	},
	"a batch that does not fit": {
		params: params(2, 16, 0), plans: [][]plan{plans(sendBatch(8, 8, 8))}, lateSeal: true,
	},
	"a batch and a sender": {
		params: params(4, 16, 0), plans: [][]plan{plans(sendBatch(8, 8)), one}, lateSeal: true,
	},
	"a newcomer on the place of the dead": {
		params: params(2, 16, 0), plans: [][]plan{one}, kills: 1, mortal: true, reborn: one,
	},
	"aborts in the arena": {
		params: params(2, 16, 4096), arena: 127,
		plans: [][]plan{plans(abort(2048), commit(2048), send(1024))}, lateSeal: true,
	},
	"death in the arena": {
		params: params(4, 16, 4096), kills: 1, mortal: true, lateSeal: true,
		plans: [][]plan{plans(abort(1024), send(2048))},
	},
	"takeover of one that holds": {
		params: params(4, 16, 0), plans: [][]plan{two}, kills: 1, takeover: true, hold: 1,
		lateSeal: true,
	},
	"a scrub beside senders who may die": {
		params: params(2, 16, 0), plans: [][]plan{two}, kills: 1, mortal: true, scrub: true,
	},
	"a scrub beside a batch in the arena": {
		params: params(4, 16, 4096), plans: [][]plan{plans(sendBatch(8, 100, 8))}, kills: 1,
		mortal: true, scrub: true,
	},
	"three senders, put off twice": {
		params: params(2, 16, 0), plans: [][]plan{one, one, one}, lateSeal: true, puts: 2,
	},
	"seal, unseal and seal": {params: params(2, 16, 0), plans: [][]plan{two}, unseal: true},
}

// moreStages take minutes, and end after moreRuns if that is less than all. They run if
// SHMRING_EXPLORE is set.
var moreStages = map[string]stage{
	"two senders who may die, seal at any time": {
		params: params(2, 16, 0), plans: [][]plan{one, one}, kills: 1, mortal: true,
	},
	"three senders, put off three times": {
		params: params(2, 16, 0), plans: [][]plan{one, one, one}, lateSeal: true, puts: 3,
	},
	"three senders who may die, put off three times": {
		params: params(2, 16, 0), plans: [][]plan{one, one, one}, puts: 3, kills: 1, mortal: true,
	},
	"three senders, two deaths and a takeover, put off twice": {
		params: params(2, 16, 0), plans: [][]plan{one, one, one}, puts: 2, kills: 2, mortal: true,
		takeover: true, lateSeal: true,
	},
	"three senders of batches in the arena, put off twice": {
		params: params(4, 16, 4096), plans: [][]plan{
			plans(sendBatch(8, 1000)), plans(sendBatch(1000, 8)), plans(abort(2048)),
		}, puts: 2, kills: 1, mortal: true, lateSeal: true,
	},
	"a takeover of one that holds, put off three times": {
		params: params(2, 16, 0), plans: [][]plan{two, one}, kills: 1, takeover: true, hold: 1,
		lateSeal: true, puts: 3,
	},
	"a scrub beside two senders who may die": {
		params: params(2, 16, 0), plans: [][]plan{one, one}, kills: 1, mortal: true, scrub: true,
	},
	"two senders, two deaths": {
		params: params(2, 16, 0), plans: [][]plan{one, one}, kills: 2, mortal: true, lateSeal: true,
	},
	"death in the arena beside another": {
		params: params(4, 16, 4096), kills: 1, mortal: true, lateSeal: true,
		plans: [][]plan{plans(send(2048)), plans(abort(2048))},
	},
	"takeover": {
		params: params(2, 16, 0), plans: [][]plan{two}, kills: 1, takeover: true, lateSeal: true,
	},
	"two senders of two": {
		params: params(2, 16, 0), plans: [][]plan{two, two}, lateSeal: true,
	},
	"two batches, one death": {
		params: params(4, 16, 0), plans: [][]plan{plans(sendBatch(8, 8)), plans(sendBatch(8, 8))},
		kills: 1, mortal: true, lateSeal: true,
	},
	"takeover, seal at any time": {
		params: params(2, 16, 0), plans: [][]plan{two}, kills: 1, takeover: true,
	},
	"death and takeover": {
		params: params(2, 16, 0), plans: [][]plan{one}, kills: 2, takeover: true, mortal: true,
		lateSeal: true,
	},
}

func TestEverySchedule(t *testing.T) {
	started := time.Now()
	all := maps.Clone(stages)
	if os.Getenv("SHMRING_EXPLORE") != "" {
		maps.Copy(all, moreStages)
	}
	counts := map[string]int64{"cases": int64(len(all)), "lost": 0, "duplicated": 0, "asleep": 0}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			e := &explorer{}
			if _, more := moreStages[name]; more {
				e.most = moreRuns
			}
			if race.Enabled || testing.Short() {
				e.most = 2000
			}
			e.build, e.check = ready(t, all[name])
			err := e.all()
			t.Logf("%d runs, %d states, %d ends", e.runs, len(e.seen), e.ends)
			require.NoError(t, err)
			counts["schedules"] += int64(e.runs)
			counts["states"] += int64(len(e.seen))
			counts["ends"] += int64(e.ends)
			counts["steps"] += int64(e.steps)
			counts["deaths"] += int64(e.kills)
			if e.whole {
				counts["cases_whole"]++
			}
		})
	}
	evidence.Write(t, started, evidence.Record{
		Name: "schedules", Title: "the ring under every schedule and death of small cases",
		Guarantees: []string{"G1", "G3", "G4", "G5", "G10"}, Counts: counts,
		Note: "a run is cut where it comes to a state that was seen; cases_whole have no " +
			"schedule left, the others ended after so many runs",
	})
}

const moreRuns = 2_000_000

// crowd is a case that is too large for every schedule.
var crowd = stage{
	params: params(4, 32, 4096), arena: 60, slot: 1<<40 - 2, kills: 3, mortal: true, takeover: true,
	hold: 2, reborn: plans(send(8), sendBatch(8, 8)),
	plans: [][]plan{
		plans(send(8), abort(100), sendBatch(8, 700, 300), send(1)),
		plans(commit(2000), send(24), abort(8), commit(8)),
		plans(sendBatch(8, 8, 8, 8, 8, 8), send(1024)),
	},
}

// decided runs the crowd as decide says.
func decided(t testing.TB, decide func(n int) int) {
	t.Helper()
	s := crowd
	s.lateSeal = decide(4) != 0
	s.unseal = decide(4) == 0
	build, check := ready(t, s)
	require.NoError(t, runOne(build(), check, decide))
}

func TestSchedulesAtRandom(t *testing.T) {
	rnd, _ := shmtest.Rand(t)
	runs := 10000
	if race.Enabled || testing.Short() {
		runs = 500
	}
	for range runs {
		decided(t, rnd.IntN)
	}
}

// FuzzSchedule lets the fuzzer decide who runs and who dies.
func FuzzSchedule(f *testing.F) {
	f.Add([]byte("01234567890123456789"))
	f.Fuzz(func(t *testing.T, b []byte) { decided(t, (&script{b}).below) })
}
