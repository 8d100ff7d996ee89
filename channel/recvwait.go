package channel

import (
	"context"
	"errors"
	"time"

	"shmring/futex"
	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/ring"
)

// wait waits for a message or an end: it spins for a while, or on the only processor lets
// others run, then parks on the data event. The gate is held before and after; in between
// only the turn.
func (rx *Receiver) wait(ctx context.Context) error {
	for spun, rounds := 0, rx.spin.Begin(); spun < rounds; spun += spinChunk {
		hit := -1
		rx.gate.pause()
		err := rx.ch.guardData(func() error {
			hit = rx.spinFor(min(rounds-spun, spinChunk))
			return nil
		})
		rx.gate.resume()
		if err != nil {
			return err
		}
		if hit >= 0 {
			rx.spin.Hit(spun + hit)
		}
		err = rx.ch.guardData(func() error { return rx.recheck(ctx) })
		if !isWait(err) {
			return err
		}
	}
	rx.spin.Miss()
	if rx.alone {
		done, err := rx.ch.yield(&rx.gate, func() (bool, error) {
			err := rx.ch.guardData(func() error { return rx.recheck(ctx) })
			if isWait(err) {
				return false, nil
			}
			return true, err
		})
		if done || err != nil {
			return err
		}
	}
	if err := rx.park(ctx); err != nil {
		return err
	}
	// The message is ours already: a fault is met again by the next call.
	_ = rx.ch.guardData(func() error { rx.showHeld(uint32(rx.cons.Held())); return nil })
	return nil
}

// spinChunk is how many rounds a spinning call looks at one word only. Then it looks at
// everything else that could end its wait.
const spinChunk = 256

// showHeld tells others how many messages the user holds. Doing so for each message
// would cost a store to shared memory; it is told for the first after a sleep, and
// again when nothing is held.
func (rx *Receiver) showHeld(n uint32) {
	rx.shown = n
	rx.row.Held.Store(n)
	rx.row.ProgressNs.Store(nowNs())
}

// spinFor looks at the next slot for some rounds; it returns the round that found a
// message, or -1. It reads only what the holder of the turn may read.
func (rx *Receiver) spinFor(rounds int) int {
	for i := range rounds {
		futex.Round()
		if rx.cons.Ready() {
			return i
		}
	}
	return -1
}

// park sleeps until there is something to return. Its order is that of every sleep:
// set the waiting bit, read the sequence, check everything again, then wait.
func (rx *Receiver) park(ctx context.Context) error {
	ch := rx.ch
	stop := ch.wakeOnCancel(ctx, ch.dataEvent)
	defer stop()
	defer rx.awake()
	err := ch.guardData(func() error {
		ch.data.Enter(rx.place) // first: awake leaves, also if what follows meets a fault
		rx.row.Waits.Add(1)
		rx.cons.Flush()
		rx.row.WaitNs.Store(nowNs())
		return nil
	})
	since := time.Now()
	for err == nil {
		fault.Point("channel.recv.announced")
		var seq uint32
		err = ch.guardData(func() error {
			seq = futex.Sample(ch.dataEvent) // sync: seq
			err := rx.recheck(ctx)
			if isWait(err) {
				rx.row.WaitFor.Store(waitKind(errors.Is(err, ring.ErrHole)))
				rx.row.Parks.Add(1)
			}
			return err
		})
		if !isWait(err) {
			break
		}
		hole := errors.Is(err, ring.ErrHole)
		rx.gate.pause()
		fault.Point("channel.recv.sleeping")
		err = futex.Park(ch.dataWord, seq, ch.slice(ctx, dataSlice(hole, since)))
		fault.Point("channel.recv.woken")
		timeout := errors.Is(err, futex.ErrTimeout)
		if timeout && !hole && !deadlinePassed(ctx) {
			ch.look(true)
		}
		rx.gate.resume()
		if timeout {
			rx.memberSeq-- // look for deaths anew: whoever should have told may have died
			err = ch.expired(ctx, func() string { return ch.whyEmpty(hole) })
		}
	}
	return err
}

// awake ends what park began.
func (rx *Receiver) awake() {
	_ = rx.ch.guardData(func() error { // park has met the same fault
		rx.ch.data.Leave(rx.place)
		rx.row.WaitFor.Store(layout.WaitNothing)
		rx.row.WaitNs.Store(0)
		return nil
	})
}

// recheck looks at everything that could end a wait, in the order of all blocking
// calls: handle, context, data, end.
func (rx *Receiver) recheck(ctx context.Context) error {
	switch {
	case rx.gate.closed:
		return ErrClosed
	case ctx.Err() != nil:
		return rx.ch.ended(ctx, rx.ch.whyEmpty(rx.cons.Len() > 0))
	}
	return rx.step(true)
}

func waitKind(hole bool) uint32 {
	if hole {
		return layout.WaitHole
	}
	return layout.WaitData
}

// dataSlice is how long a receiver sleeps unwoken: long only with nothing reserved
// in front of it, for before a hole a living loser of a race may leave unheard.
func dataSlice(hole bool, since time.Time) time.Duration {
	switch {
	case !hole:
		return idleSlice(since)
	case time.Since(since) < holeSliceTime:
		return holeSlice
	}
	return oldHoleSlice
}
