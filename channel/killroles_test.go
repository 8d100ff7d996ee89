//go:build fault

package channel_test

import (
	"context"
	"errors"
	"fmt"

	"shmring/channel"
)

// A script is a sender that writes down how far it is.
type script struct {
	victimPart
	tx   *channel.Sender
	next uint64
}

// send runs one way of sending the next n messages and writes down how many were
// acknowledged.
func (s *script) send(n uint64, how func(first uint64) (uint64, error)) error {
	s.book.begun[s.number].Store(s.next + n)
	done, err := how(s.next)
	s.next += done
	s.book.acked[s.number].Store(s.next)
	s.book.begun[s.number].Store(s.next)
	return err
}

// one counts one message if err is nil.
func one(err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// all runs every way of sending once: in place, in the arena, aborted, as a copy, as a
// batch without and with the arena.
func (s *script) all(ctx context.Context) error {
	lease, err := s.tx.Reserve(ctx, 400)
	if err != nil {
		return err
	}
	lease.Abort()
	place := func(i uint64) (uint64, error) {
		lease, err := s.tx.Reserve(ctx, 6000)
		if err != nil {
			return 0, err
		}
		return one(lease.Commit(copy(lease.Bytes(), message(s.number, i))))
	}
	single := func(i uint64) (uint64, error) {
		return one(s.tx.Send(ctx, message(s.number, i)))
	}
	fill := func(i uint64) (uint64, error) {
		m := message(s.number, i)
		return one(s.tx.SendFunc(ctx, len(m), func(b []byte) (int, error) {
			return copy(b, m), nil
		}))
	}
	batch := func(i uint64) (uint64, error) {
		m := [][]byte{message(s.number, i), message(s.number, i+1), message(s.number, i+2)}
		n, err := s.tx.SendBatch(ctx, m)
		return uint64(n), err
	}
	for _, step := range []struct {
		n   uint64
		how func(uint64) (uint64, error)
	}{{1, place}, {1, single}, {3, batch}, {1, fill}} {
		if err := s.send(step.n, step.how); err != nil {
			return err
		}
	}
	return nil
}

// partSender sends everything several times.
func partSender(p *victimPart) error { return p.sendAll(p.ctx, 4) }

// partWaiter is a sender that meets a full channel and waits a moment for room.
func partWaiter(p *victimPart) error {
	ctx, cancel := context.WithTimeout(p.ctx, 2*moment)
	defer cancel()
	return p.sendAll(ctx, 4)
}

func (p *victimPart) sendAll(ctx context.Context, times int) error {
	ch, err := p.open()
	if err != nil {
		return err
	}
	tx, err := ch.TrySender()
	if err != nil {
		return errors.Join(err, ch.Close())
	}
	s := &script{victimPart: *p, tx: tx}
	for range times {
		if err = s.all(ctx); err != nil {
			break
		}
	}
	if !isExpected(err) {
		return err
	}
	return errors.Join(tx.Close(), ch.Close())
}

// partRacer has two senders in one process, and the second gets in before the first one's
// reservation once for each way of sending.
func partRacer(p *victimPart) error {
	ch, err := p.open()
	if err != nil {
		return err
	}
	tx, err := ch.TrySender()
	if err != nil {
		return err
	}
	other, err := ch.TrySender()
	if err != nil {
		return err
	}
	s := &script{victimPart: *p, tx: tx}
	rival := &script{victimPart: *p, tx: other}
	rival.number++
	for range 3 {
		var lost error
		oncePoint("ring.claim.intent", func() {
			lost = rival.send(1, func(i uint64) (uint64, error) {
				return one(other.TrySend(message(rival.number, i)))
			})
		})
		err := s.send(1, func(i uint64) (uint64, error) {
			return one(tx.Send(p.ctx, message(s.number, i)))
		})
		if err = errors.Join(err, lost); err != nil {
			return err
		}
	}
	return errors.Join(tx.Close(), other.Close(), ch.Close())
}

// enough is how many messages a victim receives at most.
const enough = 10

// victimReader is a receiver that writes down what it was given.
type victimReader struct {
	*victimPart
	rx *channel.Receiver
}

func (p *victimPart) reader() (*channel.Channel, *victimReader, error) {
	ch, err := p.open()
	if err != nil {
		return nil, nil, err
	}
	rx, err := ch.TryReceiver()
	if err != nil {
		return nil, nil, errors.Join(err, ch.Close())
	}
	return ch, &victimReader{p, rx}, nil
}

// next waits a moment for a message. False says that there is none.
func (r *victimReader) next() (channel.Message, bool, error) {
	ctx, cancel := context.WithTimeout(r.ctx, moment)
	defer cancel()
	m, err := r.rx.Recv(ctx)
	for errors.Is(err, channel.ErrPeerDead) {
		m, err = r.rx.Recv(ctx)
	}
	if err != nil {
		if isExpected(err) {
			err = nil
		}
		return m, false, err
	}
	who, i, err := verify(m.Bytes())
	if err != nil || who >= writers {
		return m, false, fmt.Errorf("message of sender %d: %w", who, err)
	}
	markMessage(r.book.given[who], i)
	return m, true, nil
}

// partReceiver releases some out of order, and looks at what is there as a batch.
func partReceiver(p *victimPart) error {
	ch, r, err := p.reader()
	if err != nil {
		return err
	}
	var held channel.Message
	for i := range enough {
		m, ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if i%3 == 0 {
			held.Release()
			held = m
			continue
		}
		m.Release()
	}
	held.Release()
	return errors.Join(r.rx.Close(), ch.Close())
}

// partHolder closes its receiver while it holds messages.
func partHolder(p *victimPart) error {
	ch, r, err := p.reader()
	if err != nil {
		return err
	}
	var held []channel.Message
	for range 3 {
		m, ok, err := r.next()
		if err != nil {
			return err
		}
		if ok {
			held = append(held, m)
		}
	}
	err = errors.Join(r.rx.Close(), ch.Close())
	for i := range held {
		held[len(held)-1-i].Release()
	}
	return err
}

// partAppender takes messages that must not come again, the second behind one that it
// holds.
func partAppender(p *victimPart) error {
	ch, r, err := p.reader()
	if err != nil {
		return err
	}
	var buf []byte
	for i := range enough {
		var held channel.Message
		if i == 1 {
			m, ok, err := r.next()
			if err != nil {
				return err
			}
			if ok {
				held = m
			}
		}
		ctx, cancel := context.WithTimeout(p.ctx, moment)
		buf, err = r.rx.RecvAppend(ctx, buf[:0])
		cancel()
		if err != nil {
			held.Release()
			break
		}
		who, n, verr := verify(buf)
		if verr != nil {
			return verr
		}
		markMessage(p.book.taken[who], n)
		held.Release()
	}
	if !isExpected(err) {
		return err
	}
	return errors.Join(r.rx.Close(), ch.Close())
}

// partSelector waits for a receiver and an event at once.
func partSelector(p *victimPart) error {
	ch, r, err := p.reader()
	if err != nil {
		return err
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(p.ctx, moment)
		_, err := channel.Wait(ctx, r.rx)
		cancel()
		if err != nil {
			break
		}
		m, ok, err := r.next()
		if err != nil {
			return err
		}
		if ok {
			m.Release()
		}
	}
	return errors.Join(r.rx.Close(), ch.Close())
}
