package channel

import (
	"errors"
	"io"
	"strings"

	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/ring"
	"shmring/state"
)

// step is one look at everything a receiver may find, without waiting. It fills
// rx.item and returns nil, or returns ring.ErrEmpty or ring.ErrHole if there is
// nothing for now, or the error to report. With scan, a hole in front is settled if
// its owner is dead. The gate is held.
func (rx *Receiver) step(scan bool) error {
	if rx.ch.opts.Guard {
		return rx.ch.guard(func() error { return rx.stepBare(scan) })
	}
	return rx.stepBare(scan)
}

func (rx *Receiver) stepBare(scan bool) error {
	switch {
	case rx.kept:
		return nil
	case rx.fault != nil:
		err := rx.fault
		rx.fault = nil
		return err
	case rx.final != nil:
		return rx.final
	}
	for range maxSteps {
		// Loaded before the ring is looked at: an end that was seen counts only if the
		// word is still this one, else the seal may have been taken back in between.
		w := rx.ch.state.Load()
		if w.Forced() {
			return rx.forced(w)
		}
		err := rx.next()
		switch err {
		case nil:
			return nil
		case ring.ErrHole: //nolint:errorlint // the ring returns its sentinels bare
			if !scan {
				return err
			}
			owner, serr := rx.cons.Skip(rx.ch.alive)
			if serr != nil {
				return rx.ch.poison(serr)
			}
			if owner >= 0 {
				return err
			}
			continue
		case ring.ErrEmpty:
			if err := rx.nothing(w); err != errAgain { //nolint:errorlint // our own
				return err
			}
			continue
		case ring.ErrEnd:
			if err := rx.sealedAndEmpty(w); err != errAgain { //nolint:errorlint // our own
				return err
			}
			continue
		}
		return rx.ch.poison(err)
	}
	return ring.ErrHole // somebody keeps us busy: the caller waits a little
}

// maxSteps bounds the rounds of one look. Each follows something that somebody did
// meanwhile, an aborted slot or a change of state, so in a healthy channel a few are many.
const maxSteps = 1 << 12

// nothing says why there is no message: a death to report, damage that nobody will mend,
// or just nothing yet. It returns errAgain if a message came before the death that it found.
func (rx *Receiver) nothing(w state.Word) error {
	switch {
	case rx.ch.orphaned.Load():
		return ErrOrphaned
	case !w.Valid():
		return wordError(w)
	}
	seq := rx.ch.ctl.Membership.Seq.Load() // sync: membership
	if seq == rx.memberSeq {
		return ring.ErrEmpty
	}
	dead := rx.deadSender()
	switch {
	case dead == nil:
		rx.memberSeq = seq
		return ring.ErrEmpty
	case rx.cons.Len() > 0:
		return errAgain // all its data first
	}
	number := dead.Dead.Load() // sync: death
	err := rx.ch.peerError(dead, number)
	dead.Dead.CompareAndSwap(number, 0) // sync: death
	return err                          // memberSeq stays: there may be more to tell
}

// deadSender returns the row of a sender whose death was not told yet, the oldest
// first, but only if no other sender lives.
func (rx *Receiver) deadSender() *layout.Participant {
	ch := rx.ch
	var oldest *layout.Participant
	var lowest uint64
	for _, place := range rx.senderPlaces {
		row := &ch.view.Participants[place]
		if layout.Role(row.Who.Role.Load()) == layout.RoleSender && ch.present(place) {
			return nil
		}
		number := row.Dead.Load() // sync: death
		if number == 0 || layout.Role(row.DeadRole.Load()) != layout.RoleSender {
			continue
		}
		if row.Claim.Load() == number { // sync: claim
			continue // not settled to the end: whoever does that records it once more
		}
		if oldest == nil || number < lowest {
			oldest, lowest = row, number
		}
	}
	return oldest
}

// sealedAndEmpty is the end, once the state says which end it is. w is the state word from
// before the ring was seen sealed and empty; errAgain asks for another look at both.
func (rx *Receiver) sealedAndEmpty(w state.Word) error {
	ch := rx.ch
	fault.Point("channel.recv.end")
	if ch.state.Load() != w {
		return errAgain
	}
	ch.token.Acquire(race.Control)
	switch w.State() {
	case state.Draining:
		if ch.needsRepair() && ch.repair() {
			return errAgain
		}
		// We are at the tail of a ring that was sealed all the time that the word was w:
		// CLOSING makes that final before anybody is told. If the CAS fails, look again.
		ch.token.Release(race.Control)
		if _, err := ch.state.Finish(w); err == nil {
			ch.state.WakeAll()
		}
		return errAgain
	case state.Closing, state.Closed:
		rx.final = io.EOF
		return io.EOF
	case state.Error:
		fault.Point("channel.recv.error")
		if ch.rollingBack() {
			return ring.ErrEmpty
		}
		if ch.state.Load() != w {
			return errAgain // the rollback was done while we asked whether it goes on
		}
		return ch.errorState()
	case state.Active, state.Recovering:
		if ch.repair() {
			return errAgain
		}
		return ring.ErrEmpty // somebody is at it: wait for what comes of it
	}
	return wordError(w)
}

// forced ends the receiver after a forced close: it counts what it did not hand out
// and says so.
func (rx *Receiver) forced(w state.Word) error {
	if !w.Valid() { // damage is no order to throw messages away
		return wordError(w)
	}
	rx.ch.token.Acquire(race.Control)
	n := rx.cons.Discard(0)
	rx.cons.Flush()
	rx.final = &DiscardedError{N: n, Reason: rx.ch.state.Reason()}
	return rx.final
}

// rollbackReason starts the reason of the ERROR that a Rollback passes through.
const rollbackReason = "rollback: "

// rollingBack reports whether ERROR is only a step of somebody's Rollback.
func (ch *Channel) rollingBack() bool {
	if !strings.HasPrefix(ch.state.Reason(), rollbackReason) {
		return false
	}
	release, ok, err := ch.seg.TryControl("look at a rollback")
	if ok {
		release()
		return false // nobody holds the lock: the rollback died here
	}
	return err == nil || errors.Is(err, ErrBusy)
}
