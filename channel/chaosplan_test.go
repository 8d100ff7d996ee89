//go:build linux

package channel_test

import (
	"math/rand/v2"
	"slices"
	"time"

	"shmring/channel"
	"shmring/internal/history"
)

// A chaosPlan is all that is random about a run: the same seed makes the same plan. When
// its steps meet what the processes are just doing is left to the machine.
type chaosPlan struct {
	Seed    uint64
	Options channel.Options
	Lanes   int // channels of the one receiver
	Senders int // of each channel
	Quota   int // messages of each sender, over all its lives
	Ending  chaosEnding
	Early   bool // the ending comes while senders send
	Steps   []chaosStep
	Work    chaosWork
}

// A chaosEnding is how a run ends.
type chaosEnding string

const (
	endShutdown chaosEnding = "shutdown" // everything is delivered
	endSeal     chaosEnding = "seal"     // then a drain, then a shutdown
	endForce    chaosEnding = "force"    // the rest is counted
	endRollback chaosEnding = "rollback" // some are taken back; then a shutdown
	endReopen   chaosEnding = "reopen"   // everybody is killed; others open what is left
)

// A chaosStep is one thing that the nemesis does.
type chaosStep struct {
	After  time.Duration
	Act    chaosAct
	Victim int           // index of a process, modulo how many there are
	For    time.Duration // of a stop
	Also   int           // killed while the other is stopped; below zero: nobody
}

// A chaosAct is what a step does.
type chaosAct string

const (
	actKill     chaosAct = "kill"
	actStop     chaosAct = "stop"
	actRenice   chaosAct = "renice"
	actRecover  chaosAct = "recover"  // a process that repairs a healthy channel
	actObserve  chaosAct = "observe"  // a process that looks at everything, read-only
	actRollback chaosAct = "rollback" // a process that shuts down and takes it back
	actClose    chaosAct = "close"    // the closer of an early ending
)

// chaosWork is how the processes of a run work.
type chaosWork struct {
	Sizes    []int // bounds: sizes are chosen below one of them
	Batch    int   // messages of a batch at most
	Hold     int   // messages in a receiver's hands at most
	Receiver string
	Slices   bool // sleeps are looked after
	Blind    bool // no death notices
	Spin     time.Duration
	Pace     time.Duration // a sender rests for up to so long after each call
}

// newChaosPlan derives a plan for about quota messages.
func newChaosPlan(seed uint64, messages int) chaosPlan {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := chaosPlan{Seed: seed, Options: chaosOptions(rng), Lanes: 1}
	p.Senders = 1 + rng.IntN(4)
	if p.Options.Kind == channel.SPSC {
		p.Senders = 1
	}
	if rng.IntN(4) == 0 {
		p.Lanes, p.Senders = 2+rng.IntN(2), min(p.Senders, 2)
	}
	p.Quota = messages / (p.Lanes * p.Senders)
	p.Ending = pickOne(rng, endShutdown, endShutdown, endSeal, endForce, endRollback, endReopen)
	p.Early = p.Ending == endForce || p.Ending == endSeal && rng.IntN(2) == 0 ||
		p.Ending == endShutdown && rng.IntN(3) == 0
	p.Work = chaosWorkOf(rng, p)
	p.Steps = chaosSteps(rng, p)
	return p
}

func chaosOptions(rng *rand.Rand) channel.Options {
	o := channel.Options{
		Kind:       pickOne(rng, channel.MPSC, channel.MPSC, channel.SPSC),
		Slots:      pickOne(rng, 2, 4, 8, 64, channel.DefaultSlots),
		SlotSize:   pickOne(rng, 32, 64, 256),
		ArenaBytes: pickOne(rng, channel.NoArena, 4<<10, 64<<10, 1<<20),
		Checksums:  rng.IntN(4) == 0,
		Timestamps: rng.IntN(4) == 0,
	}
	o.Guard = rng.IntN(4) == 0
	return o
}

func chaosWorkOf(rng *rand.Rand, p chaosPlan) chaosWork {
	w := chaosWork{
		Sizes:    []int{16, 64, 64, 300, 300},
		Batch:    pickOne(rng, 1, 4, 32),
		Hold:     1 + rng.IntN(max(1, p.Options.Slots/2)),
		Receiver: pickOne(rng, "recv", "batch", "append", "append", "messages", "mixed", "mixed"),
		Slices:   rng.IntN(8) == 0,
		Blind:    rng.IntN(8) == 0,
		Spin:     pickOne(rng, 0, 0, -1, 50*time.Microsecond),
	}
	if rng.IntN(3) == 0 {
		w.Sizes = append(w.Sizes, 4000, 20000)
	}
	return w
}

// chaosSteps makes the nemesis of a run: kills and stops, and what belongs to the ending.
func chaosSteps(rng *rand.Rand, p chaosPlan) []chaosStep {
	acts := []chaosAct{
		actKill, actKill, actKill, actKill, actStop, actStop, actStop, actStop, actRenice,
		actRecover, actObserve,
	}
	if p.Ending == endRollback {
		acts = append(acts, actRollback, actRollback, actRollback)
	}
	steps := make([]chaosStep, 4+rng.IntN(12))
	for i := range steps {
		steps[i] = chaosStep{
			After:  time.Duration(rng.ExpFloat64() * 4e6),
			Act:    acts[rng.IntN(len(acts))],
			Victim: rng.IntN(1 << 16),
			For:    time.Duration(rng.ExpFloat64() * 2e6),
			Also:   -1,
		}
		if rng.IntN(2) == 0 {
			steps[i].Also = rng.IntN(1 << 16)
		}
	}
	if p.Early {
		closing := chaosStep{
			After: time.Duration(rng.ExpFloat64() * 10e6), Act: actClose,
			Victim: rng.IntN(1 << 16), For: time.Duration(rng.ExpFloat64() * 2e6), Also: -1,
		}
		if rng.IntN(4) == 0 { // the closer is killed
			closing.Also = 0
		}
		at := rng.IntN(len(steps))
		steps = slices.Insert(steps, at, closing)
	}
	return steps
}

func pickOne[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// size chooses how long a message is: below one of the usual bounds, or, seldom, nothing,
// all that fits a slot, or all that fits at all.
func (w chaosWork) size(rng *rand.Rand, ch *channel.Channel) int {
	most := ch.MaxMessage()
	n := 0
	switch rng.IntN(64) {
	case 0:
		n = rng.IntN(history.IdentityBytes)
	case 1:
		n = most - rng.IntN(min(most, 64))
		if rng.IntN(16) != 0 {
			n = min(n, 5000) // the largest are for once in a while
		}
	default:
		n = history.IdentityBytes + rng.IntN(pickOne(rng, w.Sizes...))
	}
	return min(n, most)
}
