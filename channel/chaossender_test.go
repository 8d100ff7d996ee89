//go:build linux

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"shmring/channel"
	"shmring/internal/history"
)

// A chaosSender is one life of a sender: it sends until its quota is accepted or the
// channel is closed, by every call there is, and writes down what became of each.
type chaosSender struct {
	spec   chaosSpec
	rng    *rand.Rand
	log    *history.Log
	ch     *channel.Channel
	tx     *channel.Sender
	seq    int
	left   int // messages to be accepted
	buf    []byte
	sealed bool
}

// chaosPause is how long somebody who can do nothing now waits before he tries again.
const chaosPause = 200 * time.Microsecond

var errOfUser = errors.New("the user changed his mind")

func (s *chaosSender) run(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	for s.left > 0 && !s.sealed {
		if err := s.step(ctx); err != nil {
			return fmt.Errorf("message %d/%d: %w", s.spec.Stream, s.seq, err)
		}
		if pace := s.spec.Work.Pace; pace > 0 {
			time.Sleep(time.Duration(s.rng.Int64N(int64(pace))))
		}
	}
	return errors.Join(s.tx.Close(), s.ch.Close())
}

func (s *chaosSender) open(ctx context.Context) error {
	var err error
	if s.ch, err = s.spec.open(ctx, 0); err != nil {
		return err
	}
	if s.tx, err = s.ch.Sender(ctx); err == nil {
		s.log.Note(history.Op{Kind: history.Join, Outcome: history.OK, Lane: s.spec.Lane})
	}
	return err
}

// step is one operation. The error is one that must not be.
func (s *chaosSender) step(ctx context.Context) error {
	switch s.rng.IntN(16) {
	case 0:
		return s.batch(func(ps [][]byte) (int, error) { return s.tx.SendBatch(ctx, ps) })
	case 1:
		if err := s.batch(s.tx.TrySendBatch); err != nil {
			return err
		}
		return s.room(ctx)
	case 2:
		return s.lease(ctx)
	case 3:
		return s.abort(ctx)
	case 4, 5:
		return s.sendFunc(ctx)
	case 6:
		if err := s.one(s.tx.TrySend); err != nil {
			return err
		}
		return s.room(ctx)
	case 7:
		hurry, cancel := context.WithTimeout(ctx, time.Duration(s.rng.IntN(500))*time.Microsecond)
		defer cancel()
		return s.one(func(b []byte) error { return s.tx.Send(hurry, b) })
	}
	return s.one(func(b []byte) error { return s.tx.Send(ctx, b) })
}

// next makes the next message and the operation that sends it.
func (s *chaosSender) next(n int) ([]byte, history.Op) {
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	b := s.buf[:n]
	op := history.Op{
		Kind: history.Send, Lane: s.spec.Lane, Key: history.MakeKey(s.spec.Stream, s.seq), N: 1,
	}
	if n < history.IdentityBytes {
		op.Flags = history.Short
	}
	history.Fill(b, op.Key)
	s.seq++
	return b, op
}

func (s *chaosSender) one(send func([]byte) error) error {
	b, op := s.next(s.spec.Work.size(s.rng, s.ch))
	i := s.log.Begin(op)
	return s.finish(i, op, 1, send(b))
}

// finish writes how an operation ended: done of its messages were accepted.
func (s *chaosSender) finish(i int, op history.Op, done int, err error) error {
	if err != nil && op.N == 1 {
		done = 0
	}
	op.Done = done
	op.Outcome, err = s.outcome(err)
	s.log.Finish(i, op)
	s.left -= done
	return err
}

// outcome says what an error means for the history, and returns it if it must not be.
func (s *chaosSender) outcome(err error) (history.Outcome, error) {
	switch {
	case err == nil:
		return history.OK, nil
	case errors.Is(err, channel.ErrDraining) && s.spec.Patient:
		time.Sleep(chaosPause) // it may be taken back
		return history.Refused, nil
	case errors.Is(err, channel.ErrClosed):
		s.sealed = true
		return history.Refused, nil
	case errors.Is(err, channel.ErrState) && s.spec.Patient,
		errors.Is(err, channel.ErrPeerDead):
		time.Sleep(chaosPause) // a successor is on its way
		return history.Failed, nil
	case errors.Is(err, channel.ErrFull), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, errOfUser):
		return history.Failed, nil
	}
	return history.Failed, err
}

// room waits for room, beside nothing else.
func (s *chaosSender) room(ctx context.Context) error {
	_, err := channel.Wait(ctx, s.tx)
	return err
}

func (s *chaosSender) batch(send func([][]byte) (int, error)) error {
	n := 1 + s.rng.IntN(s.spec.Work.Batch)
	var ps [][]byte
	op := history.Op{
		Kind: history.Send, Lane: s.spec.Lane, Key: history.MakeKey(s.spec.Stream, s.seq), N: n,
	}
	for range n {
		size := min(history.IdentityBytes+s.rng.IntN(200), s.ch.MaxMessage())
		b := make([]byte, size)
		history.Fill(b, history.MakeKey(s.spec.Stream, s.seq))
		s.seq++
		ps = append(ps, b)
	}
	i := s.log.Begin(op)
	done, err := send(ps)
	return s.finish(i, op, done, err)
}

// lease reserves more than it commits.
func (s *chaosSender) lease(ctx context.Context) error {
	b, op := s.next(s.spec.Work.size(s.rng, s.ch))
	i := s.log.Begin(op)
	l, err := s.tx.Reserve(ctx, min(len(b)+s.rng.IntN(64), s.ch.MaxMessage()))
	if err == nil {
		copy(l.Bytes(), b)
		if s.rng.IntN(4) == 0 {
			runtime.Gosched()
		}
		err = l.Commit(len(b))
	}
	return s.finish(i, op, 1, err)
}

func (s *chaosSender) abort(ctx context.Context) error {
	b, op := s.next(s.spec.Work.size(s.rng, s.ch))
	op.Kind, op.Flags = history.Abort, 0
	i := s.log.Begin(op)
	l, err := s.tx.Reserve(ctx, len(b))
	if err == nil {
		copy(l.Bytes(), b)
		l.Abort()
	}
	return s.finish(i, op, 0, err)
}

// sendFunc fills in place; now and then the user's function fails, or panics.
func (s *chaosSender) sendFunc(ctx context.Context) error {
	b, op := s.next(s.spec.Work.size(s.rng, s.ch))
	mood := s.rng.IntN(8)
	if mood < 2 {
		op.Kind, op.Flags = history.Abort, 0
	}
	i := s.log.Begin(op)
	err := func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = errOfUser
			}
		}()
		return s.tx.SendFunc(ctx, len(b), func(to []byte) (int, error) {
			n := copy(to, b)
			switch mood {
			case 0:
				return n, errOfUser
			case 1:
				panic(errOfUser)
			}
			return n, nil
		})
	}()
	if op.Kind == history.Abort {
		return s.finish(i, op, 0, err)
	}
	return s.finish(i, op, 1, err)
}
