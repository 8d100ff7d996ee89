//go:build fault

package ring

import (
	"fmt"
	"iter"
	"strings"
	"sync/atomic"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// The explorer runs the real ring under every schedule there is. Its actors are
// coroutines that stop at each fault point, so that one of them runs at a time and the
// explorer decides which, or kills it where it stands. It goes through all decisions
// depth first, each time from the start, and cuts a run that comes to a state it has
// seen: same memory, and every actor at the same place having read the same.

// errCut unwinds an actor that was killed, or whose run is over.
type errCut struct{}

// An actor is one process of an explored run.
type actor struct {
	name    string
	body    func(a *actor)
	mortal  bool        // may be killed
	after   func() bool // if set, it does not begin before this is true
	next    func() (struct{}, bool)
	stop    func()
	yield   func(struct{}) bool
	known   func() uint64 // hash of its own memory, and of what it is about
	front   func() uint64 // the commit word of the slot in front, for receivers
	at      string        // the point where it stands
	reads   int           // what its next step may read
	last    uint64        // hash of what its last step could read
	read    uint64        // hash of what it knows
	word    *atomic.Uint32
	sample  uint32 // of word, at which it sleeps or will
	asleep  bool
	hole    bool // asleep before a hole: then it wakes of itself after a while
	sliced  bool // it has, and nothing came of it yet
	started bool
	over    bool
	dead    bool
}

// What a step may read in shared memory.
const (
	readsTail = 1 << iota
	readsHead
	readsIntents
	readsFront // the commit word of the slot in front
	readsBits
	readsSlots
	readsAll = 1<<iota - 1
)

// What an actor still knows of what it has read when it comes to a point. Its own
// structs and what it is about are known anyway.
const (
	keepsAll  = iota
	keepsLast // what its last step has read
	keepsNone
)

// points says of a point what an actor still knows there, and what it may read in the
// step from there. A point that is not listed keeps and reads all. A wrong entry could
// hide a state and could not make one up. Local points are passed: only a step on
// private memory follows them, or the wake-up by the kernel, which here is the changed
// sequence word.
var points = map[string]struct {
	keeps, reads int
	local        bool
}{
	"start": {keepsNone, readsTail | readsHead, false},
	"send":  {keepsNone, readsTail, false}, "room": {keepsNone, readsTail, false},
	"announce": {keepsNone, 0, false}, "sample": {keepsNone, 0, false},
	"asleep": {keepsNone, 0, false}, "next": {keepsNone, readsFront | readsBits, false},
	"skip": {keepsNone, readsTail, false}, "wake": {keepsNone, 0, false},

	"ring.claim.tail":   {keepsLast, readsHead, false},
	"ring.claim.full":   {keepsAll, readsTail, false},
	"ring.claim.intent": {keepsAll, readsTail, false},
	"ring.claim.lost":   {keepsNone, readsTail, false},
	"ring.claim.won":    {local: true}, "ring.batch.claimed": {local: true},
	"ring.room.tail": {keepsLast, readsHead, false}, "ring.room.full": {keepsAll, readsTail, false},
	"ring.send.filled": {keepsAll, 0, false}, "ring.commit.filled": {keepsAll, 0, false},
	"ring.abort.begin": {keepsAll, 0, false}, "ring.batch.filled": {keepsAll, 0, false},
	"ring.batch.last": {keepsAll, 0, false}, "ring.commit.stored": {keepsNone, 0, false},
	"ring.commit.cleared": {keepsNone, readsBits, false},
	"futex.signal.before": {keepsNone, readsFront, false}, "futex.signal.bumped": {local: true},
	"ring.next.missed":      {keepsNone, readsFront, false},
	"ring.next.uncommitted": {keepsLast, readsTail, false},
	"ring.next.tail":        {keepsAll, readsFront, false},
	"ring.pass.begin":       {keepsNone, readsTail | readsFront | readsBits, false},
	"ring.publish.begin":    {keepsAll, 0, false},
	"ring.publish.stored":   {keepsAll, readsBits | readsFront, false},
	"ring.skip.looked":      {keepsNone, readsFront, false}, "ring.skip.tail": {local: true},
	"ring.skip.intent":   {keepsAll, readsIntents, false},
	"ring.skip.scanned":  {keepsNone, readsFront, false},
	"ring.skip.checked":  {keepsLast, readsFront, false},
	"ring.skip.aborted":  {keepsNone, readsBits, false},
	"ring.consumer.head": {keepsAll, readsTail, false},
	"ring.seal.load":     {local: true}, "ring.unseal.load": {local: true},
}

// A move is one decision: let an actor take a step, or kill it.
type move struct {
	actor int
	kill  bool
}

// A node is one decision of the current run, and what is left to be tried there.
type node struct {
	moves []move
	taken int
	read  uint64 // what the one that moved knew afterwards
}

// A world is one run: its memory, its actors, and what they found out.
type world struct {
	r      *Ring
	v      *layout.View
	actors []*actor
	now    *actor // who is running
	kills  int    // how many may still be killed
	bound  bool   // only so many times is one that could go on put off for another
	puts   int    // how often that is left
	last   int    // who took the last step, if bound; -1 nobody
	again  bool   // the steps were taken before: what they read is known
	err    error
	trace  []step
}

// A step is what was done, for people.
type step struct {
	actor, from, to string
}

// killed is where the trace says that the killed went.
const killed = "killed"

func (s step) String() string { return s.actor + ": " + s.from + " > " + s.to }

func mix(h, v uint64) uint64 {
	h = (h ^ v) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

func mixText[T string | []byte](h uint64, s T) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return mix(h, uint64(len(s)))
}

// shared hashes the parts of the shared memory that a reads.
func (w *world) shared(a *actor, what int) uint64 {
	h := uint64(what)
	ctl := w.v.Control
	if what&readsTail != 0 {
		h = mix(h, ctl.Tail.V.Load())
	}
	if what&readsHead != 0 {
		h = mix(h, ctl.Head.V.Load())
	}
	if what&readsFront != 0 && a != nil && a.front != nil {
		h = mix(h, a.front())
	}
	if what&readsBits != 0 {
		h = mix(mix(h, ctl.Data.Bits[0].Load()), ctl.Space.Bits[0].Load())
	}
	if what&readsIntents != 0 {
		for i := range w.v.Participants {
			h = mix(h, w.v.Participants[i].Intent.Load())
		}
	}
	if what&readsSlots != 0 {
		for off := uint64(0); off < uint64(len(w.v.Slots)); off += 8 {
			h = mix(h, layout.Word(w.v.Slots, off).Load())
		}
	}
	return h
}

// state hashes everything that can make a difference from now on.
func (w *world) state() uint64 {
	h := mix(w.shared(nil, readsAll), w.v.Control.Totals.Holes.Load())
	h = mix(h, uint64(w.kills))
	if w.bound {
		h = mix(h, uint64(w.puts)<<8|uint64(w.last+1))
	}
	for _, a := range w.actors {
		flags := uint64(0)
		for i, f := range []bool{
			a.started, a.over, a.dead, a.asleep, a.hole, a.sliced,
			a.word != nil && a.word.Load() != a.sample,
		} {
			if f {
				flags |= 1 << i
			}
		}
		h = mix(mix(mixText(h, a.at), a.read), flags)
	}
	return h
}

// point runs at every fault point, in the actor that is running.
func (w *world) point(name string) {
	a := w.now
	if a == nil {
		return
	}
	p, listed := points[name]
	if p.local {
		return
	}
	if !listed {
		p.reads = readsAll
	}
	if !w.again {
		switch p.keeps {
		case keepsAll:
			a.read = mix(a.read, a.last)
		case keepsLast:
			a.read = mix(a.known(), a.last)
		case keepsNone:
			a.read = a.known()
		}
	}
	a.at, a.reads = name, p.reads
	if !a.yield(struct{}{}) {
		panic(errCut{})
	}
}

// sleep ends when the word has changed since it was sampled.
func (a *actor) sleep(w *world) {
	a.asleep = true
	w.point("asleep")
	a.asleep = false
}

func (a *actor) take(word *atomic.Uint32) { a.word, a.sample = word, word.Load() }

func (a *actor) awake() bool {
	return !a.asleep || a.word.Load() != a.sample
}

// begin makes the actors ready for a run, and returns how to end it.
func (w *world) begin() (end func()) {
	for _, a := range w.actors {
		a.at, a.reads = "start", points["start"].reads
		a.next, a.stop = iter.Pull(func(yield func(struct{}) bool) {
			defer func() {
				if r := recover(); r != nil {
					if _, cut := r.(errCut); !cut {
						panic(r)
					}
				}
			}()
			a.yield = yield
			a.body(a)
		})
	}
	fault.SetHook(w.point)
	return func() {
		for _, a := range w.actors {
			a.stop()
		}
		fault.SetHook(nil)
	}
}

// moves returns the decisions that are possible now. Whoever sleeps before a hole wakes
// of itself when nobody else can take a step: in time that is always so.
func (w *world) moves() (out []move, steps bool) {
	stay := w.bound && w.puts == 0 && w.goesOn()
	for i, a := range w.actors {
		if a.over || a.dead || !a.started && a.after != nil && !a.after() {
			continue
		}
		if a.awake() && (!stay || i == w.last) {
			out = append(out, move{actor: i})
			steps = true
		}
		if a.mortal && w.kills > 0 && a.started {
			out = append(out, move{actor: i, kill: true})
		}
	}
	for i, a := range w.actors {
		if !steps && !a.over && !a.dead && a.asleep && a.hole && !a.sliced {
			return append(out, move{actor: i}), true
		}
	}
	return out, steps
}

// goesOn reports whether whoever took the last step could take the next one.
func (w *world) goesOn() bool {
	if w.last < 0 {
		return false
	}
	a := w.actors[w.last]
	return !a.over && !a.dead && a.awake()
}

// do carries a decision out.
func (w *world) do(m move) {
	a := w.actors[m.actor]
	if m.kill {
		w.trace = append(w.trace, step{a.name, a.at, killed})
		a.dead = true
		w.kills--
		a.stop()
		// The death notice, which in a channel comes from whoever settles the dead.
		w.v.Control.Data.Seq.Add(1)
		w.v.Control.Space.Seq.Add(1)
		return
	}
	if w.bound {
		if m.actor != w.last && w.goesOn() {
			w.puts--
		}
		w.last = m.actor
	}
	if !w.again {
		a.last = w.shared(a, a.reads)
	}
	a.started = true
	a.sliced = a.sliced || !a.awake()
	from := a.at
	w.now = a
	_, more := a.next()
	w.now = nil
	a.over = !more
	if a.over {
		a.at, a.read = "over", a.known() // all that is left
	}
	w.trace = append(w.trace, step{a.name, from, a.at})
}

// An explorer goes through all runs of one case.
type explorer struct {
	build func() *world  // a new run from the same start
	check func(w *world) // at the end of a run
	most  int            // runs, zero for all
	seen  map[uint64]struct{}
	runs  int
	ends  int // runs that came to an end of their own
	steps int // of all runs
	kills int // of all runs
	whole bool
}

// all explores every schedule and returns what went wrong first.
func (e *explorer) all() error {
	e.seen = make(map[uint64]struct{})
	var path []node
	for {
		if err := e.run(&path); err != nil {
			return err
		}
		for len(path) > 0 && path[len(path)-1].taken+1 == len(path[len(path)-1].moves) {
			path = path[:len(path)-1]
		}
		e.whole = len(path) == 0
		if e.whole || e.most != 0 && e.runs >= e.most {
			return nil
		}
		path[len(path)-1].taken++
	}
}

// run repeats the decisions of path and goes on from there to an end or to a state
// that was seen.
func (e *explorer) run(path *[]node) error {
	e.runs++
	w := e.build()
	defer w.begin()()
	for depth := 0; w.err == nil; depth++ {
		if depth == len(*path) {
			key := w.state()
			if _, seen := e.seen[key]; seen {
				break
			}
			e.seen[key] = struct{}{}
			moves, steps := w.moves()
			if !steps {
				e.ends++
				w.finish(e.check)
			}
			if len(moves) == 0 || w.err != nil {
				break
			}
			*path = append(*path, node{moves: moves})
		}
		n := &(*path)[depth]
		m := n.moves[n.taken]
		w.again = depth < len(*path)-1
		w.do(m)
		if a := w.actors[m.actor]; w.again {
			a.read = n.read
		} else {
			n.read = a.read
		}
	}
	e.steps += len(w.trace)
	for _, s := range w.trace {
		if s.to == killed {
			e.kills++
		}
	}
	return w.result()
}

// maxSteps bounds a run of random decisions, which could go in circles.
const maxSteps = 20000

// runOne runs one schedule, as decide says.
func runOne(w *world, check func(w *world), decide func(n int) int) error {
	defer w.begin()()
	for range maxSteps {
		moves, steps := w.moves()
		if !steps {
			w.finish(check)
			break
		}
		// A death for every hundred steps, not at every second one.
		m := moves[decide(len(moves))]
		if m.kill && decide(100) != 0 {
			continue
		}
		if w.do(m); w.err != nil {
			break
		}
	}
	return w.result()
}

// finish checks a run in which nobody can take a step.
func (w *world) finish(check func(w *world)) {
	for _, a := range w.actors {
		if !a.over && !a.dead && a.started {
			w.fail(fmt.Errorf("%s sleeps for ever", a.name))
		}
	}
	if w.err == nil {
		check(w)
	}
}

func (w *world) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// result returns what went wrong, and the story of the run.
func (w *world) result() error {
	if w.err == nil {
		return nil
	}
	var b strings.Builder
	for _, s := range w.trace {
		fmt.Fprintf(&b, "  %v\n", s)
	}
	return fmt.Errorf("%w, in a run of %d steps:\n%s", w.err, len(w.trace), b.String())
}
