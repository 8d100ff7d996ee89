package channel

import (
	"context"
	"errors"
	"fmt"

	"shmring/internal/race"
	"shmring/ring"
)

// A Lease is room for one message in the ring, to be filled in place and then
// committed or aborted. It is a value; of several copies the first Commit or Abort
// counts, the others are no-ops that say so. A sender has one lease at a time, and
// its sends fail with ErrBusy meanwhile. The bytes are shared memory: they must not
// be a target of device DMA, and must not be touched after Commit or Abort.
type Lease struct {
	tx   *Sender
	gen  uint64
	data *byte
	size int
}

// errEnded is what a second Commit of a lease returns.
var errEnded = fmt.Errorf("%w: the lease was committed or aborted before", ErrState)

// Reserve makes room for a message of at most n bytes, waiting while the channel is
// full. Errors are those of Send.
func (tx *Sender) Reserve(ctx context.Context, n int) (Lease, error) {
	if err := tx.gate.enter(ctx); err != nil {
		return Lease{}, tx.ch.fail("reserve", err)
	}
	defer tx.gate.leave()
	l, err := tx.reserve(ctx, n)
	return l, tx.ch.fail("reserve", err)
}

// TryReserve is Reserve that never waits.
func (tx *Sender) TryReserve(n int) (Lease, error) {
	if err := tx.gate.tryEnter(); err != nil {
		return Lease{}, tx.ch.fail("reserve", err)
	}
	defer tx.gate.leave()
	l, err := tx.tryReserve(n)
	if err != nil {
		return Lease{}, tx.tryError(err)
	}
	return l, nil
}

func (tx *Sender) reserve(ctx context.Context, n int) (Lease, error) {
	for {
		err := ctx.Err()
		if err == nil {
			var l Lease
			if l, err = tx.tryReserve(n); err == nil {
				return l, nil
			}
		}
		if !errors.Is(err, ring.ErrFull) {
			return Lease{}, tx.explain(ctx, err)
		}
		if err := tx.waitRoom(ctx, n); err != nil {
			return Lease{}, err
		}
	}
}

func (tx *Sender) tryReserve(n int) (Lease, error) {
	if n < 0 {
		return Lease{}, fmt.Errorf("%w: cannot reserve %d bytes", ErrState, n)
	}
	var buf []byte
	err := tx.ch.guardData(func() error {
		if err := tx.requirePeer(); err != nil {
			return err
		}
		var err error
		if buf, err = tx.prod.Reserve(n); err == nil {
			tx.row.Held.Store(1)
		}
		tx.ch.token.Acquire(race.Room)
		return err
	})
	if err != nil {
		return Lease{}, err
	}
	tx.lease++
	tx.held = true
	return newLease(tx, buf), nil
}

// Commit sends the first m bytes of the lease. It fails with ErrTooBig if m is more
// than was reserved, and then the lease stays; with ErrState if the lease has ended.
// It works after the sender was closed: what was reserved before a seal is part of
// the channel.
func (l Lease) Commit(m int) error {
	return l.end("commit", func(p *ring.Producer) error {
		if m < 0 || m > l.size {
			return fmt.Errorf("%w: commit of %d bytes into a lease of %d", ErrTooBig, m, l.size)
		}
		l.tx.ch.token.Release(race.Messages)
		return p.Commit(m)
	})
}

// Abort gives the room back unsent. After a Commit or an Abort it does nothing.
func (l Lease) Abort() {
	_ = l.end("abort", func(p *ring.Producer) error { // only errEnded, which is fine here
		p.Abort()
		return nil
	})
}

// end finishes the lease by f, and the close of its sender if that waited for it.
func (l Lease) end(op string, f func(*ring.Producer) error) error {
	tx := l.tx
	if tx == nil {
		return openError(op, "", errEnded)
	}
	tx.gate.mu.Lock()
	if !tx.held || tx.lease != l.gen {
		tx.gate.mu.Unlock()
		return openError(op, tx.ch.name, errEnded)
	}
	err := tx.ch.guardData(func() error {
		if err := f(tx.prod); err != nil {
			return err
		}
		tx.row.Held.Store(0)
		return nil
	})
	if err != nil && !errors.Is(err, ErrFault) { // memory that is gone ends the lease too
		tx.gate.mu.Unlock()
		return openError(op, tx.ch.name, err)
	}
	tx.held = false
	// Beside a running call, Close waits for that call and then gives the place back.
	last := tx.gate.closed && !tx.gate.running && !tx.gone
	if last {
		tx.gone = true
	}
	tx.gate.mu.Unlock()
	if last {
		err = errors.Join(err, tx.release())
	}
	return openError(op, tx.ch.name, err)
}

// SendFunc reserves n bytes, lets fill write the message in place and sends as many
// bytes as fill returns. If fill returns an error, panics or ends the goroutine, the
// message is aborted and nobody sees it. Other calls of this sender wait meanwhile.
func (tx *Sender) SendFunc(ctx context.Context, n int, fill func([]byte) (int, error)) error {
	if err := tx.gate.enter(ctx); err != nil {
		return tx.ch.fail("send", err)
	}
	l, err := tx.reserve(ctx, n)
	if err != nil {
		tx.gate.leave()
		return tx.ch.fail("send", err)
	}
	tx.gate.pause()
	defer func() { // also on panic and Goexit
		l.Abort()
		tx.endTurn()
	}()
	m, err := fill(l.Bytes())
	if err != nil {
		return tx.ch.fail("send", err)
	}
	return l.Commit(m)
}

// endTurn ends a call that has the turn but not the mutex. The sender may be gone:
// the gate is not in shared memory.
func (tx *Sender) endTurn() {
	tx.gate.resume()
	tx.gate.leave()
}
