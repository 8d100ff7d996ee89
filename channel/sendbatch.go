package channel

import (
	"context"
	"errors"

	"shmring/internal/race"
	"shmring/ring"
)

// SendBatch sends the messages of ps in order and returns how many were accepted:
// all of them if the error is nil, else the first n. Messages are reserved as many
// at a time as there is room for, with one atomic step and at most one wake for
// each such run. A batch is not atomic: if its sender is killed, any part of it may
// be delivered, in order.
func (tx *Sender) SendBatch(ctx context.Context, ps [][]byte) (int, error) {
	if err := tx.gate.enter(ctx); err != nil {
		return 0, tx.ch.fail("send", err)
	}
	defer tx.gate.leave()
	sent := 0
	for sent < len(ps) {
		err := ctx.Err()
		n := 0
		if err == nil {
			n, err = tx.putBatch(ps[sent:])
			sent += n
		}
		switch {
		case err == nil:
		case errors.Is(err, ring.ErrFull):
			if err = tx.waitRoom(ctx, len(ps[sent])); err != nil {
				return sent, tx.ch.fail("send", err)
			}
		default:
			return sent, tx.ch.fail("send", tx.explain(ctx, err))
		}
	}
	return sent, nil
}

// TrySendBatch is SendBatch that never waits: it sends what there is room for now.
// It returns ErrFull only if it sent nothing of a batch that is not empty.
func (tx *Sender) TrySendBatch(ps [][]byte) (int, error) {
	if err := tx.gate.tryEnter(); err != nil {
		return 0, tx.ch.fail("send", err)
	}
	defer tx.gate.leave()
	sent := 0
	for sent < len(ps) {
		n, err := tx.putBatch(ps[sent:])
		sent += n
		if err != nil {
			if sent > 0 && errors.Is(err, ring.ErrFull) {
				return sent, nil
			}
			return sent, tx.tryError(err)
		}
	}
	return sent, nil
}

// putBatch is one attempt for the longest prefix that fits, under the gate.
func (tx *Sender) putBatch(ps [][]byte) (n int, err error) {
	err = tx.ch.guardData(func() error {
		if err := tx.requirePeer(); err != nil {
			return err
		}
		tx.ch.token.Release(race.Messages)
		var err error
		n, err = tx.prod.SendBatch(ps)
		tx.ch.token.Acquire(race.Room)
		return err
	})
	return n, err
}
