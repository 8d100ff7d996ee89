package channel

import (
	"context"
	"errors"
	"iter"
	"time"

	"shmring/futex"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/state"
)

// A ChangeKind says what a Change is about.
type ChangeKind int

// Kinds of change.
const (
	StateChanged ChangeKind = iota + 1 // the channel's state
	Joined                             // a participant came
	Left                               // a participant left cleanly
	Died                               // a participant died
	Announced                          // somebody means to shut the channel down
	Withdrawn                          // he no longer does
)

// String returns the kind as one word.
func (k ChangeKind) String() string {
	switch k {
	case StateChanged:
		return "state"
	case Joined:
		return "joined"
	case Left:
		return "left"
	case Died:
		return "died"
	case Announced:
		return "announced"
	case Withdrawn:
		return "withdrawn"
	}
	return "unknown"
}

// A Change is one thing that happened to the channel.
type Change struct {
	Kind     ChangeKind
	State    state.State // after it
	Reason   string      // of the state, or of what was announced
	Role     layout.Role // Joined, Left, Died
	PID      uint32
	Comm     string
	Instance uint64
	At       time.Time // when it was seen here, or recorded
}

// Watch iterates over the changes of state and membership from now on, beginning with a
// StateChanged that gives the present state, a Joined for everybody who is there, and what
// was announced. It sleeps in between. The loop ends with CLOSED, silently, or with an
// error, which is yielded once: the context's cause, ErrOrphaned if the segment lost its
// name and nobody new can come, ErrClosed by Close, ErrFault, ErrCorrupt. Several changes between
// two looks may be seen as one; a state is never seen twice in a row.
func (ch *Channel) Watch(ctx context.Context) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		if ch.enter() != nil {
			yield(Change{}, ch.closedError("watch"))
			return
		}
		defer ch.leave()
		w := watcher{ch: ch, yield: yield, members: make(map[int]Change)}
		if err := w.run(ctx); err != nil {
			yield(Change{}, ch.fail("watch", err))
		}
	}
}

// A watcher compares what it saw with what is there.
type watcher struct {
	ch      *Channel
	yield   func(Change, error) bool
	seen    []Change // not yielded yet
	word    state.Word
	started bool
	members map[int]Change
	plan    Plan
}

func (w *watcher) run(ctx context.Context) error {
	ch := w.ch
	stop := func() {}
	if !ch.seg.ReadOnly() {
		stop = ch.wakeOnCancel(ctx, ch.stateEvent)
	}
	defer stop()
	since := time.Now()
	for {
		switch {
		case ch.isClosed():
			return ErrClosed
		case ctx.Err() != nil:
			return ch.ended(ctx, "")
		}
		var seq uint32
		err := ch.guard(func() error {
			seq = futex.Sample(ch.stateEvent) // sync: seq
			w.compareMembers()
			w.comparePlan()
			w.compareState()
			return nil
		})
		ch.token.Acquire(race.Control)
		if err != nil {
			return err
		}
		switch {
		case !w.tell(), w.word.State() == state.Closed:
			return nil
		case ch.orphaned.Load():
			return ErrOrphaned
		case !w.word.Valid():
			return wordError(w.word)
		}
		slice := idleSlice(since)
		if ch.seg.ReadOnly() {
			slice = blindSlice // nothing may be written to wake us at a cancel
		}
		err = ch.sleepState(seq, ch.slice(ctx, slice))
		switch {
		case err != nil && !errors.Is(err, futex.ErrTimeout):
			return err
		case deadlinePassed(ctx):
			return ch.deadline(ctx, "")
		case err != nil && ch.seg.ReadOnly():
			ch.checkOrphaned() // nobody tells an observer
		case err != nil:
			ch.look(true)
		}
	}
}

// tell yields what was seen; false if the loop has ended.
func (w *watcher) tell() bool {
	for _, c := range w.seen {
		if !w.yield(c, nil) {
			return false
		}
	}
	w.seen = w.seen[:0]
	return true
}

func (w *watcher) emit(c Change) { w.seen = append(w.seen, c) }

func (w *watcher) compareState() {
	now := w.ch.state.Load()
	if w.started && now == w.word {
		return
	}
	w.word, w.started = now, true
	last := w.ch.state.Last()
	w.emit(Change{
		Kind: StateChanged, State: now.State(), Reason: w.ch.state.Reason(), PID: last.By.PID,
		Comm: last.By.Comm, Role: last.By.Role, At: last.At,
	})
}

func (w *watcher) comparePlan() {
	p, ok := loadPlan(&w.ch.ctl.Plan)
	was := w.plan
	if !ok {
		p = Plan{}
	}
	if p == was {
		return
	}
	w.plan = p
	c := Change{
		Kind: Announced, State: w.ch.state.Load().State(), Reason: p.Reason, PID: p.PID,
		Comm: p.Comm, Role: layout.RoleController, At: p.At,
	}
	if !ok {
		c.Kind, c.Reason, c.At = Withdrawn, was.Reason, time.Now()
	}
	w.emit(c)
}

func (w *watcher) compareMembers() {
	ch := w.ch
	for place := range ch.places {
		row := &ch.view.Participants[place]
		number := row.Claim.Load() // sync: claim
		old, known := w.members[place]
		if known && old.Instance != number {
			delete(w.members, place)
			w.emit(w.departure(row, old))
		}
		if number != 0 && (!known || old.Instance != number) {
			c := Change{
				Kind: Joined, State: ch.state.Load().State(),
				Role: layout.Role(row.Who.Role.Load()), PID: row.Who.PID.Load(),
				Comm: layout.LoadText(row.Who.Comm[:]), Instance: number,
				At: time.Unix(0, row.Who.WhenNs.Load()),
			}
			w.members[place] = c
			w.emit(c)
		}
	}
}

// departure says whether a participant that is no longer there left or died: the
// log of deaths knows.
func (w *watcher) departure(row *layout.Participant, old Change) Change {
	old.Kind, old.At, old.State = Left, time.Now(), w.ch.state.Load().State()
	d := &w.ch.view.Deaths[old.Instance%layout.DeathCount]
	if d.Claim.Load() == old.Instance || row.Dead.Load() == old.Instance { // sync: death
		old.Kind = Died
	}
	return old
}
