package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shmring/futex"
	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/ring"
	"shmring/state"
)

// Progress says how far a drain is.
type Progress struct {
	Left     uint64        // slots reserved or full and not released
	Done     uint64        // slots released since the drain began
	Elapsed  time.Duration // since the drain began
	Receiver string        // who has to receive, in words, and what it does; who has to commit
	Living   bool          // that receiver lives

	// GivenBack is how many bytes of the channel's memory are with the system again, whoever
	// gave them back. A rollback or recovery takes them anew before anybody may send.
	GivenBack uint64
}

// Drain seals the channel and waits until every message was received and released.
// It calls progress, if not nil, at the start, whenever the head moves and at the
// end, from this goroutine. If messages are left and no receiver lives, it does not
// wait but returns ErrPeerDead: the channel stays sealed, its messages stay for the
// next receiver, and Drain may be called again.
//
// While it waits it gives the memory of what was released back to the system, in whole pages
// and large pieces.
func (ch *Channel) Drain(ctx context.Context, progress func(Progress)) error {
	if err := ch.enter(); err != nil {
		return ch.closedError("drain")
	}
	defer ch.leave()
	if ctx.Err() != nil {
		return ch.fail("drain", ch.ended(ctx, ""))
	}
	seal := func() error { return ch.sealLocked("drain") }
	if err := ch.withLock(ctx, "drain", seal); err != nil {
		return err
	}
	return ch.fail("drain", ch.awaitEmpty(ctx, progress, false))
}

// awaitEmpty waits for published head = tail of a sealed ring. With patient it waits
// for a receiver to come even if none lives.
func (ch *Channel) awaitEmpty(
	ctx context.Context, progress func(Progress), patient bool,
) (err error) {
	d := drainer{ch: ch, progress: progress, began: time.Now(), patient: patient}
	d.moved, d.giver.ch = d.began, ch
	place, err := ch.claimFree(ch.placesFor(layout.RoleController), layout.RoleController)
	d.place, d.seated = place, err == nil
	if err != nil && !errors.Is(err, ErrBusy) {
		return err
	}
	// All of this ends also if progress panics or ends the goroutine.
	if d.seated {
		ch.try(func() { ch.space.Enter(place) })
		defer func() {
			ch.try(func() { ch.space.Leave(place) })
			if uerr := ch.unclaim(place); err == nil {
				err = uerr
			}
		}()
	}
	defer ch.wakeOnCancel(ctx, ch.spaceEvent)()
	return ch.guard(func() error {
		if d.seated {
			ch.view.Participants[place].WaitNs.Store(nowNs())
			ch.view.Participants[place].WaitFor.Store(layout.WaitDrain)
		}
		return d.run(ctx)
	})
}

// A drainer is one running wait for the end of a sealed ring.
type drainer struct {
	ch       *Channel
	progress func(Progress)
	began    time.Time
	moved    time.Time // when the last slot was seen to be released; else the begin
	place    int
	seated   bool // holds a place, so a waiting bit; else it looks in slices
	patient  bool
	first    uint64
	last     uint64
	told     bool
	giver    giver
}

// unseatedSlice is how often a drain looks that found no free place to wait at.
const unseatedSlice = 10 * time.Millisecond

func (d *drainer) run(ctx context.Context) error {
	ch := d.ch
	for {
		fault.Point("channel.drain.look")
		seq := futex.Sample(ch.spaceEvent) // sync: seq
		done, err := d.look(ctx)
		if done || err != nil {
			return err
		}
		slice := longSlice
		if !d.seated {
			slice = unseatedSlice
		}
		err = futex.Wait(ch.spaceWord, seq, ch.slice(ctx, slice))
		if errors.Is(err, futex.ErrTimeout) {
			if deadlinePassed(ctx) {
				return ch.deadline(ctx, d.stuck())
			}
			if d.seated {
				ch.look(true)
			}
			err = nil
		}
		if err != nil {
			return err
		}
	}
}

// look reports whether the ring is drained, and tells progress.
func (d *drainer) look(ctx context.Context) (bool, error) {
	ch := d.ch
	switch {
	case ch.isClosed():
		return true, ErrClosed
	case ctx.Err() != nil:
		return true, ch.ended(ctx, d.stuck())
	}
	ch.publishOwn()
	ended := ch.ring.Ended() // before what is told: the last word is that nothing is left
	left, err := ch.ring.Depth()
	ch.token.Acquire(race.Room)
	ch.token.Acquire(race.Control)
	if err != nil {
		return true, ch.poison(err)
	}
	w := ch.state.Load()
	living := ch.present(layout.PlaceReceiver)
	d.giver.run(ctx, ended)
	d.tell(left, living)
	switch {
	case ended:
		return true, nil
	case !w.Valid(): // zeroes, maybe: they show no end, and nobody makes one
		return true, wordError(w)
	case w.State() == state.Active || w.State() == state.Recovering:
		if !ch.repair() && ch.state.Load().State() == state.Active && !ch.ring.Sealed() {
			return true, fmt.Errorf("%w: the drain was rolled back (%s)",
				ErrState, ch.state.Reason())
		}
	case w.Forced():
		return true, fmt.Errorf("%w: somebody forced the close", ErrClosed)
	case ch.orphaned.Load():
		return true, ErrOrphaned
	case w.State() == state.Error && !ch.rollingBack():
		if ch.state.Load() != w {
			return false, nil // it was a step of something that is over: the sleep ends at once
		}
		return true, ch.errorState() // a receiver gets no further, however long it lives
	case !living && !d.patient:
		if n, err := ch.unread(); n > 0 || err != nil || !ch.passAborted() {
			return true, ch.noReceiver(left)
		}
		return ch.ring.Drained(), nil
	}
	return false, nil
}

// passAborted moves the head over slots that hold no message, where no receiver is there
// to do it. It reports whether it got to the end.
func (ch *Channel) passAborted() bool {
	err := ch.asReceiver(func(cons *ring.Consumer) error {
		defer cons.Flush() // and what it counted
		var it ring.Item
		for range ch.view.SlotCount + 1 { // the ring is sealed: more slots there cannot be
			err := cons.Next(&it)
			if err != ring.ErrHole { //nolint:errorlint // the ring returns its sentinels bare
				return err // a message is left unreleased, for a receiver
			}
			if owner, err := cons.Skip(ch.alive); owner >= 0 || err != nil {
				return ErrBusy
			}
		}
		return ErrBusy
	})
	return errors.Is(err, ring.ErrEnd)
}

// noReceiver is the error of a drain that nobody is there to do.
func (ch *Channel) noReceiver(left uint64) error {
	row := &ch.view.Participants[layout.PlaceReceiver]
	var err error = &PeerError{Role: layout.RoleReceiver}
	if dead := row.Dead.Load(); dead != 0 { // sync: death
		err = ch.peerError(row, dead)
	}
	return fmt.Errorf("%w; %d slots are left for the next receiver", err, left)
}

func (d *drainer) tell(left uint64, living bool) {
	if !d.told {
		d.first = left
	} else if d.last != left {
		d.moved = time.Now()
	}
	if d.progress == nil || d.told && d.last == left {
		d.last, d.told = left, true
		return
	}
	d.last, d.told = left, true
	d.progress(Progress{
		Left: left, Done: d.first - min(left, d.first), Elapsed: time.Since(d.began),
		Receiver: d.who(), Living: living, GivenBack: d.giver.bytes,
	})
}

func (d *drainer) stuck() string {
	left, err := d.ch.ring.Depth()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d slots not drained; %s", left, d.who())
}

// who says what the receiver does, and who keeps it from a message: in a sealed ring nobody
// living shows an intent over anything else than what has to be drained.
func (d *drainer) who() string {
	text := d.ch.whyReceiver(d.moved)
	if hole := d.ch.whyHole(); hole != "" {
		text += "; " + hole
	}
	return text
}

// publishOwn publishes the head of a receiver of this very attachment, which may
// hold releases back.
func (ch *Channel) publishOwn() {
	ch.mu.Lock()
	rx := ch.receiver
	ch.mu.Unlock()
	if rx == nil {
		return
	}
	rx.gate.mu.Lock()
	if !rx.gone {
		ch.try(rx.cons.Flush)
	}
	rx.gate.mu.Unlock()
}
