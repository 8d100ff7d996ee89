package channel

import (
	"context"

	"shmring/futex"
	"shmring/internal/layout"
	"shmring/ring"
)

// A Sender is the role of a sender, held by this process until Close. Its methods
// may be called by several goroutines; their calls take turns.
type Sender struct {
	ch    *Channel
	id    uint64 // unique in this process
	place int
	row   *layout.Participant

	gate  gate
	prod  *ring.Producer // behind gate
	spin  futex.Spinner  // behind gate
	lease uint64         // generation of the outstanding lease, behind gate
	held  bool           // a lease is outstanding, behind gate
	gone  bool           // place given back, behind gate

	memberSeq    uint32 // membership when receiverDead was last found out, behind gate
	receiverDead error  // behind gate

	full *OpError // returned by Try calls without allocating
}

// Sender takes the role of a sender. While the channel has no place for one more
// it waits: for an SPSC channel, until the sender that lives has left.
func (ch *Channel) Sender(ctx context.Context) (*Sender, error) {
	return ch.newSender(func() (int, error) { return ch.claimRole(ctx, layout.RoleSender) })
}

// TrySender is Sender that does not wait: ErrBusy says who has the role.
func (ch *Channel) TrySender() (*Sender, error) {
	return ch.newSender(func() (int, error) { return ch.tryClaimRole(layout.RoleSender) })
}

func (ch *Channel) newSender(claim func() (int, error)) (*Sender, error) {
	if err := ch.enter(); err != nil {
		return nil, ch.closedError("sender")
	}
	if ch.seg.ReadOnly() {
		ch.leave()
		return nil, ch.fail("sender", errReadOnly)
	}
	place, err := ch.claimGuarded(claim)
	if err != nil {
		err = ch.fail("sender", err)
		ch.leave()
		return nil, err
	}
	var prod *ring.Producer
	err = ch.guard(func() error { // its pointers into the segment are looked at, by the compiler
		prod = ch.ring.NewProducer(place)
		return nil
	})
	if err != nil {
		return nil, ch.disclaim(place, "sender", err)
	}
	tx := &Sender{
		ch: ch, id: handles.Add(1), place: place, row: &ch.view.Participants[place],
		prod: prod, spin: futex.NewSpinner(ch.opts.Spin),
	}
	tx.gate.mu.makeBiased()
	tx.full = &OpError{Op: "send", Name: ch.name, Err: ErrFull}
	ch.try(func() { tx.memberSeq = ch.ctl.Membership.Seq.Load() - 1 }) // sync: membership
	ch.mu.Lock()
	closed := ch.closed
	if !closed {
		ch.senders[tx] = struct{}{}
	}
	ch.mu.Unlock()
	if closed {
		err = tx.release()
		if err == nil {
			err = ch.closedError("sender")
		}
		return nil, err
	}
	return tx, nil
}

// Close ends the role: running calls of this sender return ErrClosed, and Close
// waits for them. What was sent stays in the channel; closing a sender does not seal
// it. An outstanding lease stays valid: whoever ends it completes the close.
func (tx *Sender) Close() error {
	shut := tx.gate.shut(func() {
		tx.ch.try(func() { futex.Broadcast(tx.ch.spaceEvent) })
	})
	if !shut {
		return tx.ch.fail("close", ErrClosed)
	}
	tx.gate.mu.Lock()
	if tx.gone { // the call we waited for ended the last lease
		tx.gate.mu.Unlock()
		return nil
	}
	if tx.held {
		tx.ch.try(func() { tx.row.Closing.Store(1) })
		tx.gate.mu.Unlock()
		return nil
	}
	tx.gone = true
	tx.gate.mu.Unlock()
	return tx.release()
}

// release gives the place back. It runs once, when the sender is closed and holds
// nothing.
func (tx *Sender) release() error {
	tx.ch.try(tx.prod.Flush)
	err := tx.ch.fail("close sender", tx.ch.unclaim(tx.place))
	tx.ch.mu.Lock()
	delete(tx.ch.senders, tx)
	tx.ch.mu.Unlock()
	tx.ch.leave()
	return err
}

// Channel returns the channel that this is a sender of.
func (tx *Sender) Channel() *Channel { return tx.ch }
