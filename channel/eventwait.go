package channel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"shmring/futex"
	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/internal/race"
)

// errQuiet says that nobody has signalled since.
var errQuiet = errors.New("no signal")

// Wait waits until the event's sequence is beyond since, and returns it with a copy of
// its value; if it is already, at once. It sleeps in between. To see every change, give
// it the sequence that the last Wait or Load returned; to see only what is new, begin with
// that of a Load.
//
// Sequences are compared modulo 2⁵³: beyond means ahead by less than half of that. A since
// from another segment of that name (see Instance) means nothing.
//
// Errors: ErrClosed by Close of this handle, ErrState if attached read-only, ErrOrphaned if
// the segment lost its name and nobody new can come to signal, ErrFault, ErrCorrupt, or the
// context's cause, which says who could have signalled.
func (e *Event) Wait(ctx context.Context, since uint64) (seq uint64, value []byte, err error) {
	if err := e.enterWait(); err != nil {
		return 0, nil, e.fail("wait", err)
	}
	defer e.calls.Done()
	err = e.ch.seg.Guard(func() error { return e.await(ctx, since) })
	if err == nil {
		seq, value, err = e.load()
	}
	return seq, value, e.fail("wait", err)
}

// await returns once the sequence is beyond since.
func (e *Event) await(ctx context.Context, since uint64) error {
	if err := e.look(ctx, since); !errors.Is(err, errQuiet) {
		return err
	}
	e.mu.Lock()
	rounds := e.spin.Begin()
	e.mu.Unlock()
	for spun := 0; spun < rounds; spun += spinChunk {
		hit := e.spinFor(min(rounds-spun, spinChunk), since)
		if hit >= 0 {
			e.mu.Lock()
			e.spin.Hit(spun + hit)
			e.mu.Unlock()
		}
		if err := e.look(ctx, since); !errors.Is(err, errQuiet) {
			return err
		}
	}
	if rounds > 0 {
		e.mu.Lock()
		e.spin.Miss()
		e.mu.Unlock()
	}
	return e.park(ctx, since)
}

// spinFor looks at the word for some rounds; it returns the round that found a signal, or
// -1.
func (e *Event) spinFor(rounds int, since uint64) int {
	for i := range rounds {
		futex.Round()
		if w, err := e.cell.now(); err != nil || after(w.Seq(), since) {
			return i
		}
	}
	return -1
}

// look looks at everything that ends a wait, in the order of all blocking calls.
func (e *Event) look(ctx context.Context, since uint64) error {
	switch {
	case e.isClosed():
		return ErrClosed
	case ctx.Err() != nil:
		return e.ch.ended(ctx, e.why(since))
	}
	w, err := e.cell.now()
	switch {
	case err != nil:
		return err
	case after(w.Seq(), since):
		return nil
	case e.ch.orphaned.Load():
		return ErrOrphaned
	}
	return errQuiet
}

// park sleeps until there is something to return, in the order of every sleep: announce,
// sample, look again, sleep.
func (e *Event) park(ctx context.Context, since uint64) error {
	ch := e.ch
	if err := e.look(ctx, since); !errors.Is(err, errQuiet) {
		return err
	}
	stop := ch.wakeOnCancel(ctx, ch.dataEvent)
	defer stop()
	defer ch.data.Leave(e.place) // also if Enter meets a fault
	ch.data.Enter(e.place)
	e.showWaiting(1)
	defer e.showWaiting(-1)
	began := time.Now()
	for {
		fault.Point("channel.event.announced")
		seq := futex.Sample(ch.dataEvent) // sync: seq
		if err := e.look(ctx, since); !errors.Is(err, errQuiet) {
			return err
		}
		e.row.Parks.Add(1)
		fault.Point("channel.event.sleeping")
		err := futex.Park(ch.dataWord, seq, ch.slice(ctx, idleSlice(began)))
		fault.Point("channel.event.woken")
		switch {
		case errors.Is(err, futex.ErrTimeout):
			if deadlinePassed(ctx) {
				return ch.deadline(ctx, e.why(since))
			}
			ch.look(true)
		case err != nil: // there is no memory to sleep on
			return fmt.Errorf("%w: %w", ErrFault, err)
		}
	}
}

// showWaiting tells others that one more call of this handle waits, or one less.
func (e *Event) showWaiting(by int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting += by
	switch {
	case by > 0 && e.waiting == 1:
		e.row.WaitNs.Store(nowNs())
		e.row.WaitFor.Store(layout.WaitData)
	case e.waiting == 0:
		e.row.WaitFor.Store(layout.WaitNothing)
		e.row.WaitNs.Store(0)
	}
	if by > 0 {
		e.row.Waits.Add(1)
	}
}

// why says in words who has not signalled.
func (e *Event) why(since uint64) string {
	ch := e.ch
	var names []string
	for place := range ch.places {
		if place == e.place || !ch.present(place) {
			continue
		}
		name := ch.who(place)
		row := &ch.view.Participants[place]
		if n := row.Messages.Load(); n > 0 {
			name += fmt.Sprintf(", last of %d signals %s ago", n, age(row.ProgressNs.Load()))
		}
		names = append(names, name)
	}
	head := fmt.Sprintf("no signal since %d", since&layout.EventSeqMask)
	if len(names) == 0 {
		return head + ", nobody else has the event open"
	}
	return fmt.Sprintf("%s, open elsewhere: %s", head, strings.Join(names, "; "))
}

// After returns something for the function Wait to wait for: it is ready when the event's
// sequence is beyond since, or when Load would return an error. Load, or the event's own
// Wait, tells the value then. It takes no turn: other calls of the event go on.
func (e *Event) After(since uint64) Waitable {
	return &eventAfter{event: e, since: since, id: handles.Add(1)}
}

// eventAfter is an Event as one of several things to wait for.
type eventAfter struct {
	event *Event
	since uint64
	id    uint64
}

func (a *eventAfter) source() (*Channel, *layout.Event, *futex.Sleepers, int) {
	ch := a.event.ch
	return ch, ch.dataEvent, ch.data, a.event.place
}

func (a *eventAfter) order() uint64 { return a.id }

func (a *eventAfter) begin(context.Context) error { return a.event.enterWait() }

func (a *eventAfter) finish() { a.event.calls.Done() }

func (a *eventAfter) doubt() {} // it tells of no deaths

func (a *eventAfter) ready() bool {
	e := a.event
	err := errQuiet
	gerr := e.ch.seg.Guard(func() error {
		err = e.look(context.Background(), a.since)
		return nil
	})
	e.ch.token.Acquire(race.Messages)
	return gerr != nil || !errors.Is(err, errQuiet)
}
