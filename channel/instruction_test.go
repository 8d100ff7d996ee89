//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/shmtest"
)

// These tests kill a process at each machine instruction of a call: the code that users run,
// without fault points. A survey steps through the call once and notes where it was. Then
// victims make the same call, each is stopped before another one of these instructions, and
// killed there. Where the call only sends or receives, one process plays several victims, each
// with a channel and a thread of its own; one SIGKILL ends all of them. Then the survivors
// are asked.

// manyVictims is how many victims one process plays, if they do not need each other: one that
// is stopped while it holds a lock of Go's runtime stops all others who want that.
const manyVictims = 8

// A pass is one way through the instructions of a call.
type pass struct {
	call   *steppedCall
	spots  []spot
	load   bool // beside another process that sends to the same channels all the time
	stall  bool // look at the victims stopped, then let them go on to the end of the call
	number int  // of chunks
	kills  int64
	over   int64           // of these, after the end of the call
	places map[uint64]bool // addresses at which there was a kill
}

// launch prepares the scenes for the next victims, and starts their process.
func (p *pass) launch(t *testing.T, spots []spot) *chunk {
	t.Helper()
	x := &chunk{}
	names := []string{p.call.name}
	for i, spot := range spots {
		s := newScene(p.call, fmt.Sprintf("q%d-%d", p.number, i))
		s.spot, s.load = spot, p.load
		p.call.prepare(t, s)
		x.scenes = append(x.scenes, s)
		names = append(names, s.name)
	}
	p.number++
	x.child = shmtest.Start(t, "stepped", names...)
	return x
}

// run brings each victim to its instruction, kills them all, and asks the survivors.
func (p *pass) run(t *testing.T, x *chunk) {
	t.Helper()
	x.seize(t)
	if p.load {
		x.startHammer(t)
	}
	for i, s := range x.scenes {
		x.goTo(t, i)
		p.kills++
		if s.ended {
			p.over++
		} else {
			p.places[s.at] = true
		}
	}
	if p.stall {
		x.stalled(t)
	}
	x.kill(t)
	if p.load {
		x.stopHammer(t)
	}
	for _, s := range x.scenes {
		s.t = t
		p.call.check(s)
	}
}

// through makes one pass.
func (p *pass) through(t *testing.T, dog *time.Timer) {
	t.Helper()
	p.places = make(map[uint64]bool)
	var next *chunk
	for chunk := range slices.Chunk(p.spots, p.call.victims) {
		dog.Reset(limit)
		x := next
		next = p.launch(t, chunk) // starts while the other one is at work
		if x != nil {
			p.run(t, x)
		}
	}
	p.run(t, next)
}

// stepEach runs a test for each call that is chosen. Sizes are for short runs.
func stepEach(
	t *testing.T, chosen func(*steppedCall) bool, run func(*testing.T, *steppedCall, *time.Timer),
) {
	t.Helper()
	channel.NoSlices()
	shmtest.Dir(t)
	needPtrace(t)
	quiet(t)
	for _, name := range slices.Sorted(maps.Keys(steppedCalls)) {
		c := steppedCalls[name]
		if !chosen(c) {
			continue
		}
		ok := t.Run(name, func(t *testing.T) {
			runtime.LockOSThread() // the kernel knows the tracer by its thread
			defer runtime.UnlockOSThread()
			dog := time.AfterFunc(limit, func() { panic(t.Name() + " hangs") })
			defer dog.Stop()
			run(t, c, dog)
		})
		if !ok {
			return // its channels may be left
		}
	}
}

// pick returns about n of the spots, evenly from a random one on.
func pick(rng *rand.Rand, spots []spot, n int) []spot {
	every := (len(spots) + n - 1) / n
	var some []spot
	for i := rng.IntN(every); i < len(spots); i += every {
		some = append(some, spots[i])
	}
	return some
}

// campaign returns how many passes a long run makes; 0 in a short one.
func campaign(t *testing.T) int {
	t.Helper()
	return evidence.Size(t, "instructionpasses", 0)
}

// asked says what was counted and had to be 0.
func asked() map[string]int64 {
	return map[string]int64{
		"kills": 0, "lost": 0, "duplicated": 0, "torn": 0, "hung": 0, "leaked": 0,
	}
}

func TestKillAtEveryInstruction(t *testing.T) {
	began := time.Now()
	rng, seed := shmtest.Rand(t)
	passes, counts := campaign(t), asked()
	chosen := func(c *steppedCall) bool { return passes > 0 || c.some > 0 }
	stepEach(t, chosen, func(t *testing.T, c *steppedCall, dog *time.Timer) {
		t.Helper()
		list := survey(t, c, c.ours && passes == 0)
		all := list.spots(c.ours)
		counts[c.name+": instructions"] = int64(len(list))
		for n := range max(passes, 1) {
			p := &pass{call: c, spots: all}
			if limit := evidence.Size(t, "controlspots", 0); passes == 0 {
				p.spots = pick(rng, all, c.some)
			} else if limit > 0 && c.ours && !c.whole {
				p.spots = pick(rng, all, limit)
			}
			p.load = c.loads && n%2 == 1 // each second time
			p.through(t, dog)
			counts["kills"] += p.kills
			counts[c.name+": kills"] += p.kills
			t.Logf("%d instructions, kills at %d of %d, %d after the end", len(list),
				p.kills, len(all), p.over)
		}
	})
	note := "Calls of control operations: at the instructions that may touch the segment or " +
		"ask the kernel; but for shutdown and recover, at as many of those as are counted."
	if passes > 1 {
		note += " Each second pass beside a process that sends to the same channel."
	}
	evidence.Write(t, began, evidence.Record{
		Name: "instructions", Title: "SIGKILL at every machine instruction of a call",
		Guarantees: []string{"G1", "G2", "G4", "G5", "G6", "G8", "G12", "G18"},
		Seed:       seed, Counts: counts, Note: note,
	})
}

// TestKillAtInstructionsBesideOthersThatSend is the same while others use the channel: the
// victim loses races, and the ring is full or being filled.
func TestKillAtInstructionsBesideOthersThatSend(t *testing.T) {
	rng, _ := shmtest.Rand(t)
	chosen := func(c *steppedCall) bool { return c.loads }
	stepEach(t, chosen, func(t *testing.T, c *steppedCall, dog *time.Timer) {
		t.Helper()
		p := &pass{call: c, load: true}
		p.spots = pick(rng, survey(t, c, c.ours).spots(c.ours), 8)
		p.through(t, dog)
	})
}

// TestStopAtInstructionsRobsNobody stops a process by SIGSTOP in the middle of a call, lets
// others use the channel, and lets it go on: what it does is done, in its order.
func TestStopAtInstructionsRobsNobody(t *testing.T) {
	began := time.Now()
	rng, seed := shmtest.Rand(t)
	passes, counts := campaign(t), asked()
	chosen := func(c *steppedCall) bool { return c.beside != nil }
	stepEach(t, chosen, func(t *testing.T, c *steppedCall, dog *time.Timer) {
		t.Helper()
		all := survey(t, c, false).spots(c.ours)
		for range max(passes, 1) {
			p := &pass{call: c, spots: all, stall: true}
			if passes == 0 {
				p.spots = pick(rng, all, 16)
			}
			p.through(t, dog)
			counts["stops"] += p.kills
			counts[c.name+": stops"] += p.kills
		}
	})
	delete(counts, "kills")
	evidence.Write(t, began, evidence.Record{
		Name: "instructionstops", Title: "SIGSTOP at every machine instruction of a call, SIGCONT",
		Guarantees: []string{"G1", "G3", "G7", "G9"}, Seed: seed, Counts: counts,
	})
}
