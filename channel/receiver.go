package channel

import (
	"context"

	"shmring/futex"
	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/ring"
)

// A Receiver is the role of the receiver, held by this process until Close. Its
// methods may be called by several goroutines; their calls take turns. Messages may
// be released from any goroutine, in any order.
type Receiver struct {
	ch    *Channel
	id    uint64 // unique in this process
	place int
	row   *layout.Participant

	gate  gate
	cons  *ring.Consumer // behind gate
	spin  futex.Spinner  // behind gate
	alone bool           // nobody else runs while it does

	glances   int            // single pauses in glanceTime
	lagPauses int            // single pauses in lagPause
	lag       lag            // behind gate
	run       [32]ring.Taken // scratch of RecvBatch, behind gate

	item  ring.Item // the message taken last, behind gate
	kept  bool      // item was taken by a wait and not handed out, behind gate
	fault error     // result of a wait that was not handed out, behind gate
	final error     // the end of the channel, once reached, behind gate
	gone  bool      // place given back, behind gate
	shown uint32    // what row.Held says, behind gate
	hole  bool      // the last look of a Wait ended before a hole, behind gate

	senderPlaces []int

	memberSeq uint32 // membership when deaths were last looked for, behind gate

	empty *OpError // returned by Try calls without allocating
}

// Receiver takes the role of the receiver. While another living one has it, it
// waits. After a receiver that died, the messages that it may have been given carry
// Message.Redelivered.
func (ch *Channel) Receiver(ctx context.Context) (*Receiver, error) {
	return ch.newReceiver(func() (int, error) { return ch.claimRole(ctx, layout.RoleReceiver) })
}

// TryReceiver is Receiver that does not wait: ErrBusy says who has the role.
func (ch *Channel) TryReceiver() (*Receiver, error) {
	return ch.newReceiver(func() (int, error) { return ch.tryClaimRole(layout.RoleReceiver) })
}

func (ch *Channel) newReceiver(claim func() (int, error)) (*Receiver, error) {
	if err := ch.enter(); err != nil {
		return nil, ch.closedError("receiver")
	}
	if ch.seg.ReadOnly() {
		ch.leave()
		return nil, ch.fail("receiver", errReadOnly)
	}
	place, err := ch.claimGuarded(claim)
	if err != nil {
		err = ch.fail("receiver", err)
		ch.leave()
		return nil, err
	}
	var cons *ring.Consumer
	err = ch.guard(func() error {
		cons, err = ch.ring.NewConsumer(ch.ctl.Totals.Redeliver.Load())
		return err
	})
	if err != nil {
		err = ch.guard(func() error { return ch.poison(err) })
		return nil, ch.disclaim(place, "receiver", err)
	}
	rx := &Receiver{
		ch: ch, id: handles.Add(1), place: place, row: &ch.view.Participants[place], cons: cons,
		spin: futex.NewSpinner(ch.opts.Spin), glances: futex.Pauses(glanceTime),
		lagPauses:    futex.Pauses(lagPause),
		alone:        futex.OneProcessor(),
		senderPlaces: ch.placesFor(layout.RoleSender),
	}
	rx.gate.mu.makeBiased()
	rx.lag = newLag(ch.view.SlotCount)
	rx.empty = &OpError{Op: "recv", Name: ch.name, Err: ErrEmpty}
	ch.try(func() { rx.memberSeq = ch.ctl.Membership.Seq.Load() - 1 }) // sync: membership
	ch.mu.Lock()
	closed := ch.closed
	if !closed {
		ch.receiver = rx
	}
	ch.mu.Unlock()
	if closed {
		if err := rx.release(); err != nil {
			return nil, err
		}
		return nil, ch.closedError("receiver")
	}
	return rx, nil
}

// Close ends the role: running calls of this receiver return ErrClosed, and Close
// waits for them. Messages still held stay valid; whoever releases the last one
// completes the close. What was not received stays for the next receiver.
func (rx *Receiver) Close() error {
	shut := rx.gate.shut(func() {
		rx.ch.try(func() { futex.Broadcast(rx.ch.dataEvent) })
	})
	if !shut {
		return rx.ch.fail("close", ErrClosed)
	}
	rx.gate.mu.Lock()
	if rx.held() > 0 {
		rx.ch.try(func() {
			rx.cons.Flush()
			rx.row.Closing.Store(1)
			fault.Point("channel.receiver.closing")
		})
		rx.gate.mu.Unlock()
		return nil
	}
	gone := rx.gone
	rx.gone = true
	rx.gate.mu.Unlock()
	if gone {
		return nil
	}
	return rx.release()
}

// held counts the messages in the hands of the user.
func (rx *Receiver) held() int {
	n := rx.cons.Held()
	if rx.kept {
		n--
	}
	return n
}

// release publishes what was released and gives the place back. It runs once, when
// the receiver is closed and nothing is held.
func (rx *Receiver) release() error {
	rx.ch.try(func() {
		rx.cons.Flush()
		fault.Point("channel.receiver.flushed")
		if !rx.cons.Redelivering() {
			rx.ch.ctl.Totals.Redeliver.Store(0) // everything that may come again has come
		}
	})
	err := rx.ch.fail("close receiver", rx.ch.unclaim(rx.place))
	rx.ch.mu.Lock()
	if rx.ch.receiver == rx {
		rx.ch.receiver = nil
	}
	rx.ch.mu.Unlock()
	rx.ch.leave()
	return err
}

// Len returns how many slots are reserved or full and not yet received. It is a
// snapshot.
func (rx *Receiver) Len() int {
	rx.gate.mu.Lock()
	defer rx.gate.mu.Unlock()
	if rx.gate.closed {
		return 0
	}
	n := 0
	rx.ch.try(func() { n = rx.cons.Len() })
	rx.ch.token.Acquire(race.Messages)
	if rx.kept {
		n++
	}
	return n
}

// Channel returns the channel that this is the receiver of.
func (rx *Receiver) Channel() *Channel { return rx.ch }
