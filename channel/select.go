package channel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"shmring/futex"
	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/ring"
)

// A Waitable is something that Wait can wait for: a Receiver (it has a message or
// an end to report), a Sender (it has room for a message that fits a slot, or an
// error to report), or what Event.After returns.
type Waitable interface {
	// ready looks, without waiting; it must be called between begin and end.
	ready() bool
	// begin takes the turn; finish gives it back.
	begin(ctx context.Context) error
	finish()
	// doubt has the next look ask for deaths anew: whoever should have told of one may have
	// died as well.
	doubt()
	// order is a number of its own, for taking several turns without a deadlock.
	order() uint64
	source() (*Channel, *layout.Event, *futex.Sleepers, int)
}

// maxWait is how many things one call of Wait can wait for: what the kernel takes.
const maxWait = 128

// Wait waits until one of several receivers, senders and events is ready and returns its
// index. If several are, the first in argument order wins: order is priority. A
// receiver is ready when Recv would not wait, be it with a message or an error; a
// sender when a small Send would not. The calls take their turns on each handle:
// while Wait waits, TryRecv and TrySend of those handles return ErrBusy.
func Wait(ctx context.Context, ws ...Waitable) (int, error) {
	if len(ws) == 0 || len(ws) > maxWait {
		return -1, openError("wait", "", fmt.Errorf("%w: waiting for %d channels, want 1 to %d",
			ErrState, len(ws), maxWait))
	}
	finish, err := beginAll(ctx, ws)
	if err != nil {
		return -1, err
	}
	defer finish()
	if i := firstReady(ws); i >= 0 {
		return i, nil
	}
	i, err := park(ctx, ws)
	ch, _, _, _ := ws[0].source()
	return i, ch.fail("wait", err)
}

// beginAll takes the turns of all handles, in an order that all callers share.
func beginAll(ctx context.Context, ws []Waitable) (finish func(), err error) {
	sorted := slices.SortedFunc(slices.Values(ws), func(a, b Waitable) int {
		return cmp.Compare(a.order(), b.order())
	})
	begun := 0
	finish = func() {
		for _, w := range sorted[:begun] {
			w.finish()
		}
	}
	for i, w := range sorted {
		ch, _, _, _ := w.source()
		if i > 0 && w.order() == sorted[i-1].order() {
			err = fmt.Errorf("%w: the same handle twice", ErrState)
		} else {
			err = w.begin(ctx)
		}
		if err != nil {
			finish()
			return nil, ch.fail("wait", err)
		}
		begun++
	}
	return finish, nil
}

func firstReady(ws []Waitable) int {
	for i, w := range ws {
		if w.ready() {
			return i
		}
	}
	return -1
}

// park sleeps on all events at once, in the order of every sleep: announce, sample,
// look again, wait.
func park(ctx context.Context, ws []Waitable) (int, error) {
	words := make([]futex.Word, len(ws))
	blind := false
	for i, w := range ws {
		ch, e, sleepers, place := w.source()
		blind = blind || ch.noInotify.Load()
		err := ch.guardData(func() error {
			sleepers.Enter(place) // first: what follows looks at the memory, too, by the compiler
			words[i].W = &e.Seq
			return nil
		})
		defer func() { // the wait has met the same fault
			_ = ch.guardData(func() error { sleepers.Leave(place); return nil })
		}()
		if err != nil {
			return -1, err
		}
	}
	first, event, _, _ := ws[0].source()
	stop := first.wakeOnCancel(ctx, event)
	defer stop()
	since := time.Now()
	for {
		fault.Point("channel.wait.announced")
		if err := sample(ws, words); err != nil {
			return -1, err
		}
		if err := ctx.Err(); err != nil {
			return -1, first.ended(ctx, "")
		}
		if i := firstReady(ws); i >= 0 {
			return i, nil
		}
		slice := idleSlice(since)
		if hole(ws) {
			slice = holeSlice
		} else if blind {
			slice = blindSlice
		}
		_, err := futex.WaitAny(words, first.slice(ctx, slice))
		fault.Point("channel.wait.woken")
		switch {
		case errors.Is(err, futex.ErrTimeout):
			if deadlinePassed(ctx) {
				return -1, first.deadline(ctx, "")
			}
			for _, w := range ws {
				ch, _, _, _ := w.source()
				ch.look(true)
				w.doubt()
			}
		case err != nil:
			return -1, err
		}
	}
}

// sample reads the sequences of all events.
func sample(ws []Waitable, words []futex.Word) error {
	for i, w := range ws {
		ch, _, _, _ := w.source()
		err := ch.guardData(func() error {
			words[i].Val = words[i].W.Load() // sync: seq
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func hole(ws []Waitable) bool {
	for _, w := range ws {
		if rx, ok := w.(*Receiver); ok && rx.hole {
			return true
		}
	}
	return false
}

func (rx *Receiver) source() (*Channel, *layout.Event, *futex.Sleepers, int) {
	return rx.ch, rx.ch.dataEvent, rx.ch.data, rx.place
}

// handles numbers the handles of this process.
var handles atomic.Uint64

func (rx *Receiver) order() uint64 { return rx.id }

func (rx *Receiver) begin(ctx context.Context) error {
	if err := rx.gate.enter(ctx); err != nil {
		return err
	}
	rx.gate.pause()
	return nil
}

func (rx *Receiver) finish() {
	rx.gate.resume()
	rx.gate.leave()
}

func (rx *Receiver) doubt() {
	rx.gate.mu.Lock()
	defer rx.gate.mu.Unlock()
	rx.memberSeq--
}

// ready takes the next message and keeps it for the call that follows; an error to
// report is kept as well.
func (rx *Receiver) ready() bool {
	rx.gate.mu.Lock()
	defer rx.gate.mu.Unlock()
	if rx.gate.closed {
		return true
	}
	err := rx.step(true)
	rx.hole = errors.Is(err, ring.ErrHole)
	switch {
	case err == nil:
		rx.kept = true
	case isWait(err):
		return false
	default:
		rx.fault = err
	}
	return true
}

func (tx *Sender) source() (*Channel, *layout.Event, *futex.Sleepers, int) {
	return tx.ch, tx.ch.spaceEvent, tx.ch.space, tx.place
}

func (tx *Sender) order() uint64 { return tx.id }

func (tx *Sender) begin(ctx context.Context) error {
	if err := tx.gate.enter(ctx); err != nil {
		return err
	}
	tx.gate.pause()
	return nil
}

func (tx *Sender) finish() { tx.endTurn() }

func (tx *Sender) doubt() {
	tx.gate.mu.Lock()
	defer tx.gate.mu.Unlock()
	tx.memberSeq--
}

func (tx *Sender) ready() bool {
	tx.gate.mu.Lock()
	defer tx.gate.mu.Unlock()
	if tx.gate.closed {
		return true
	}
	if tx.held || tx.ch.orphaned.Load() { // Send would say so at once
		return true
	}
	ready := true // also if the memory is gone: Send says so
	_ = tx.ch.guardData(func() error {
		ready = !errors.Is(tx.prod.Room(0), ring.ErrFull) || tx.peerDead() != nil
		tx.prod.Disown()
		return nil
	})
	tx.ch.token.Acquire(race.Room)
	return ready
}
