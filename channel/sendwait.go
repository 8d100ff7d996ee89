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

var (
	errReadOnly  = fmt.Errorf("%w: attached read-only, to observe", ErrState)
	errLeaseHeld = fmt.Errorf("%w: a lease of this sender is outstanding: commit or abort it first",
		ErrBusy)
)

// waitRoom waits until a message of n bytes may fit, or nothing ever will: it spins
// for a while, lets others run, then parks on the space event. The caller has the turn and
// the mutex, before and after; in between only the turn.
func (tx *Sender) waitRoom(ctx context.Context, n int) error {
	since := time.Now()
	look := func() (done bool, err error) {
		err = tx.ch.guardData(func() error {
			var err error
			done, err = tx.recheck(ctx, n, since)
			return err
		})
		return done, err
	}
	for spun, rounds := 0, tx.spin.Begin(); spun < rounds; spun += spinChunk {
		hit := -1
		tx.gate.pause()
		err := tx.ch.guardData(func() error {
			hit = tx.spinFor(min(rounds-spun, spinChunk), n)
			return nil
		})
		tx.gate.resume()
		if err != nil {
			return err
		}
		if hit >= 0 {
			tx.spin.Hit(spun + hit)
		}
		if done, err := look(); done || err != nil {
			return err
		}
	}
	tx.spin.Miss()
	if done, err := tx.ch.yield(&tx.gate, look); done || err != nil {
		return err
	}
	return tx.park(ctx, n)
}

// roomEvery is how many rounds lie between two looks for room, which take the lines of the
// head and the tail from those who move them.
const roomEvery = 4

// spinFor looks for room for some rounds; it returns the round that found some, or another
// reason not to wait, or -1. It reads only what the holder of the turn may read.
func (tx *Sender) spinFor(rounds, n int) int {
	for i := range rounds {
		futex.Round()
		if i%roomEvery != 0 {
			continue
		}
		if tx.prod.Room(n) != ring.ErrFull { //nolint:errorlint // bare sentinels
			return i
		}
	}
	return -1
}

// park sleeps until there is room. Its order is that of every sleep: set the waiting
// bit, read the sequence, check everything again, then wait.
func (tx *Sender) park(ctx context.Context, n int) error {
	ch := tx.ch
	stop := ch.wakeOnCancel(ctx, ch.spaceEvent)
	defer stop()
	defer tx.awake()
	err := ch.guardData(func() error {
		ch.space.Enter(tx.place) // first: awake leaves, also if what follows meets a fault
		tx.row.Waits.Add(1)
		tx.prod.Flush()
		tx.row.WaitNs.Store(nowNs())
		tx.row.WaitFor.Store(layout.WaitSpace)
		return nil
	})
	since := time.Now()
	for err == nil {
		fault.Point("channel.send.announced")
		var seq uint32
		done := false
		err = ch.guardData(func() error {
			seq = futex.Sample(ch.spaceEvent) // sync: seq
			var err error
			if done, err = tx.recheck(ctx, n, since); !done && err == nil {
				tx.row.Parks.Add(1)
			}
			return err
		})
		if done || err != nil {
			break
		}
		tx.gate.pause()
		fault.Point("channel.send.sleeping")
		err = futex.Wait(ch.spaceWord, seq, ch.slice(ctx, idleSlice(since)))
		fault.Point("channel.send.woken")
		timeout := errors.Is(err, futex.ErrTimeout)
		if timeout && !deadlinePassed(ctx) {
			ch.look(true)
		}
		tx.gate.resume()
		if timeout {
			err = ch.expired(ctx, func() string { return ch.whyFull(since) })
		}
	}
	return err
}

// awake ends what park began.
func (tx *Sender) awake() {
	_ = tx.ch.guardData(func() error { // park has met the same fault
		tx.ch.space.Leave(tx.place)
		tx.row.WaitFor.Store(layout.WaitNothing)
		tx.row.WaitNs.Store(0)
		return nil
	})
}

// recheck looks at everything that could end a wait for room, in the order of all
// blocking calls.
func (tx *Sender) recheck(ctx context.Context, n int, since time.Time) (bool, error) {
	switch {
	case tx.gate.closed:
		return true, ErrClosed
	case ctx.Err() != nil:
		return true, tx.ch.ended(ctx, tx.ch.whyFull(since))
	}
	err := tx.prod.Room(n)
	switch {
	case err == nil:
		return true, nil
	case !errors.Is(err, ring.ErrFull):
		return true, tx.explain(ctx, err)
	case tx.ch.orphaned.Load():
		return true, ErrOrphaned
	}
	tx.prod.Disown()
	if w := tx.ch.state.Load(); !w.Valid() { // zeroes, maybe: nobody will make room here
		return true, wordError(w)
	}
	return false, tx.ch.deadReceiver() // not what was known before: who bumps may have died
}

// peerDead returns a *PeerError if the last receiver died and has no successor.
func (tx *Sender) peerDead() error {
	seq := tx.ch.ctl.Membership.Seq.Load() // sync: membership
	if seq != tx.memberSeq {
		tx.memberSeq = seq
		tx.receiverDead = tx.ch.deadReceiver()
	}
	return tx.receiverDead
}

// deadReceiver reports the death of the last receiver, unless somebody holds the
// place again or left it cleanly since.
func (ch *Channel) deadReceiver() error {
	row := &ch.view.Participants[layout.PlaceReceiver]
	dead := row.Dead.Load()                 // sync: death
	if dead == 0 || row.Claim.Load() != 0 { // sync: claim
		return nil
	}
	return ch.peerError(row, dead)
}

// peerError names the dead whose claim number is on record in row.
func (ch *Channel) peerError(row *layout.Participant, number uint64) *PeerError {
	e := &PeerError{
		PID: row.DeadPID.Load(), Role: layout.Role(row.DeadRole.Load()), Instance: number,
	}
	d := &ch.view.Deaths[number%layout.DeathCount]
	if d.Claim.Load() == number {
		e.Comm = layout.LoadText(d.Who.Comm[:])
	}
	return e
}

// sealedError explains, by the state, why the seal refused a message.
func (ch *Channel) sealedError() error {
	ch.repair()
	w := ch.state.Load()
	ch.token.Acquire(race.Control)
	switch w.State() {
	case state.Active, state.Recovering, state.Draining:
		return ErrDraining
	case state.Closing, state.Closed:
		return ErrClosed
	case state.Error:
		return ch.errorState()
	}
	return wordError(w)
}

// wordError is for a state word that no channel has: somebody overwrote it, or put zeroes
// in its place.
func wordError(w state.Word) error {
	return fmt.Errorf("%w: state word %#x", ErrCorrupt, uint32(w))
}

// errorState says why a channel is in state ERROR.
func (ch *Channel) errorState() error {
	if code := layout.PoisonCode(ch.ctl.Poison.Code.Load()); code != 0 { // sync: poison
		return fmt.Errorf("%w: %s; Recover may repair it", ErrCorrupt, poisonText(code))
	}
	return fmt.Errorf("%w: ERROR (%s); Recover or Shutdown it", ErrState, ch.state.Reason())
}

func (ch *Channel) tooBig() error {
	return fmt.Errorf("%w: at most %d bytes fit into this channel: create it with a larger arena",
		ErrTooBig, ch.MaxMessage())
}
