package channel_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

// A sides is what an order goes between: two attachments of one channel in one process,
// as two goroutines of a program may have them.
type sides struct {
	t     *testing.T
	ctx   context.Context
	a, b  *channel.Channel
	tx    *channel.Sender   // of a
	rx    *channel.Receiver // of b
	plain int               // not atomic, behind no lock: what the channel has to order
}

func newSides(t *testing.T, o channel.Options) *sides {
	t.Helper()
	ctx := begin(t)
	s := &sides{t: t, ctx: ctx, a: newChannel(t, o)}
	var err error
	s.b, err = channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.end() // some tests have ended it, others leave something unread
		_ = s.b.Close()
	})
	s.tx, err = s.a.TrySender()
	require.NoError(t, err)
	s.rx, err = s.b.TryReceiver()
	require.NoError(t, err)
	return s
}

// end forces the end of the channel.
func (s *sides) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	_, err := s.a.Shutdown(ctx, channel.ShutdownOptions{
		AtDeadline: channel.Force, Discarded: func([]byte) { s.read() },
	})
	return err
}

// write changes what is plain. Whoever gives something to others does it before.
func (s *sides) write() { s.plain++ }

// read looks at what is plain. Whoever was given something does it after.
func (s *sides) read() { _ = s.plain }

// beside runs both functions in goroutines of their own until they end.
func (s *sides) beside(give, take func() error) {
	s.t.Helper()
	var wg sync.WaitGroup
	errs := make(chan error, 2)
	for _, f := range []func() error{give, take} {
		wg.Go(func() { errs <- f() })
	}
	wg.Wait()
	require.NoError(s.t, errors.Join(<-errs, <-errs))
}

// send writes, and sends in some way.
func (s *sides) send(send func() error) func() error {
	return func() error {
		s.write()
		return send()
	}
}

// then takes in some way, and reads.
func (s *sides) then(take func() error) func() error {
	return func() error {
		err := take()
		s.read()
		return err
	}
}

func (s *sides) sendOne() error { return s.tx.Send(s.ctx, []byte("x")) }

func (s *sides) recvOne() error {
	m, err := s.rx.Recv(s.ctx)
	m.Release()
	return err
}

// until calls try until it has ended with something else than a refusal.
func until(try func() error) error {
	for {
		err := try()
		if err == nil || !errors.Is(err, channel.ErrEmpty) && !errors.Is(err, channel.ErrFull) {
			return err
		}
		shmtest.Yield()
	}
}

// oneEnd is an end that was expected.
func oneEnd(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return errors.Join(errors.New("another end was expected"), err)
}

// deliveries are the ways from a sender to the receiver.
var deliveries = map[string]struct {
	send func(s *sides) error
	recv func(s *sides) error
}{
	"Send Recv":       {(*sides).sendOne, (*sides).recvOne},
	"TrySend TryRecv": {(*sides).trySend, (*sides).tryRecv},
	"Commit RecvAppend": {(*sides).commit, func(s *sides) error {
		_, err := s.rx.RecvAppend(s.ctx, nil)
		return err
	}},
	"SendFunc Messages": {(*sides).sendFunc, func(s *sides) error {
		for _, err := range s.rx.Messages(s.ctx) {
			return err
		}
		return io.ErrUnexpectedEOF
	}},
	"SendBatch RecvBatch": {(*sides).sendBatch, func(s *sides) error {
		var ms [4]channel.Message
		n, err := s.rx.RecvBatch(s.ctx, ms[:])
		s.rx.ReleaseBatch(ms[:n])
		return err
	}},
	"Send Wait": {(*sides).sendOne, func(s *sides) error {
		_, err := channel.Wait(s.ctx, s.rx)
		return err
	}},
	"Send Len": {(*sides).sendOne, func(s *sides) error {
		for s.rx.Len() == 0 {
			shmtest.Yield()
		}
		return nil
	}},
	"Typed": {
		func(s *sides) error { return plainNumbers(s.t).Send(s.ctx, s.tx, 7) },
		func(s *sides) error { _, err := plainNumbers(s.t).Recv(s.ctx, s.rx); return err },
	},
	"Writer Reader": {
		func(s *sides) error {
			_, err := channel.NewWriter(s.ctx, s.tx).Write([]byte("stream"))
			return err
		},
		func(s *sides) error {
			_, err := io.ReadFull(channel.NewReader(s.ctx, s.rx), make([]byte, 6))
			return err
		},
	},
	"Feed Forward": {(*sides).feed, (*sides).forward},
}

func (s *sides) trySend() error { return until(func() error { return s.tx.TrySend([]byte("x")) }) }

func (s *sides) tryRecv() error {
	return until(func() error {
		m, err := s.rx.TryRecv()
		m.Release()
		return err
	})
}

func (s *sides) commit() error {
	l, err := s.tx.Reserve(s.ctx, 8)
	if err != nil {
		return err
	}
	return l.Commit(copy(l.Bytes(), "x"))
}

func (s *sides) sendFunc() error {
	return s.tx.SendFunc(s.ctx, 8, func(b []byte) (int, error) { return copy(b, "x"), nil })
}

func (s *sides) sendBatch() error {
	_, err := s.tx.SendBatch(s.ctx, [][]byte{[]byte("x"), []byte("y")})
	return err
}

// feed sends through a Go channel that is full before: it orders nothing.
func (s *sides) feed() error {
	in := make(chan []byte, 1)
	in <- []byte("x")
	close(in)
	return channel.Feed(s.ctx, s.tx, in)
}

func (s *sides) forward() error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	out, ended := make(chan []byte), make(chan error, 1)
	go func() { ended <- channel.Forward(ctx, s.rx, out) }()
	<-out
	cancel()
	return oneEnd(<-ended, context.Canceled)
}

func plainNumbers(t *testing.T) channel.Typed[uint64] {
	t.Helper()
	codec, err := channel.NewPlain[uint64]()
	require.NoError(t, err)
	return channel.NewTyped(codec)
}

// TestOrderFromASendToItsReceipt, and the tests of order beside it, hand over a plain
// variable. On plain mappings the race detector sees nothing but tokens, and must report no
// race in them; on mappings that it sees, it proves that the protocol itself orders them.
func TestOrderFromASendToItsReceipt(t *testing.T) {
	for name, way := range deliveries {
		t.Run(name, func(t *testing.T) {
			s := newSides(t, channel.Options{Slots: 8})
			s.beside(s.send(func() error { return way.send(s) }),
				s.then(func() error { return way.recv(s) }))
		})
	}
}

// rooms are the ways in which a sender learns that a message was released.
var rooms = map[string]func(s *sides) error{
	"Send":       (*sides).sendOne,
	"TrySend":    (*sides).trySend,
	"SendBatch":  (*sides).sendBatchOfOne,
	"Reserve":    (*sides).commit,
	"SendFunc":   (*sides).sendFunc,
	"Wait":       func(s *sides) error { _, err := channel.Wait(s.ctx, s.tx); return err },
	"Drain":      func(s *sides) error { return s.a.Drain(s.ctx, nil) },
	"Shutdown":   (*sides).shutdown,
	"Stats":      (*sides).received,
	"Feed":       (*sides).feed,
	"TryReserve": (*sides).tryReserve,
	"TrySendBatch": func(s *sides) error {
		return until(func() error { _, err := s.tx.TrySendBatch([][]byte{nil}); return err })
	},
}

func (s *sides) sendBatchOfOne() error {
	_, err := s.tx.SendBatch(s.ctx, [][]byte{[]byte("x")})
	return err
}

func (s *sides) tryReserve() error {
	return until(func() error {
		l, err := s.tx.TryReserve(1)
		l.Abort()
		return err
	})
}

func (s *sides) shutdown() error {
	_, err := s.a.Shutdown(s.ctx, channel.ShutdownOptions{})
	return err
}

func (s *sides) received() error {
	for s.a.Stats().Depth > 0 {
		shmtest.Yield()
	}
	return nil
}

// releases are the ways of giving the only message back.
var releases = map[string]func(s *sides, m channel.Message){
	"Release":      func(_ *sides, m channel.Message) { m.Release() },
	"ReleaseBatch": func(s *sides, m channel.Message) { s.rx.ReleaseBatch([]channel.Message{m}) },
}

func TestOrderFromAReleaseToWhoUsesTheRoom(t *testing.T) {
	for name, use := range rooms {
		for how, release := range releases {
			t.Run(how+" "+name, func(t *testing.T) {
				s := newSides(t, channel.Options{Slots: 1})
				require.NoError(t, s.sendOne())
				s.beside(func() error {
					m, err := s.rx.Recv(s.ctx)
					s.write()
					release(s, m)
					return err
				}, s.then(func() error { return use(s) }))
			})
		}
	}
}

// TestOrderFromRecvAppendToWhoUsesTheRoom: it reads and gives back in one call.
func TestOrderFromRecvAppendToWhoUsesTheRoom(t *testing.T) {
	s := newSides(t, channel.Options{Slots: 1})
	require.NoError(t, s.sendOne())
	s.beside(s.send(func() error { _, err := s.rx.RecvAppend(s.ctx, nil); return err }),
		s.then(s.sendOne))
}

// learners are the ways in which somebody learns of a change of state.
var learners = map[string]func(s *sides) error{
	"Recv":    func(s *sides) error { _, err := s.rx.Recv(s.ctx); return oneEnd(err, io.EOF) },
	"TryRecv": func(s *sides) error { return oneEnd(until(s.tryRecv), io.EOF) },
	"Send": func(s *sides) error {
		for {
			if err := s.tx.TrySend(nil); err != nil && !errors.Is(err, channel.ErrFull) {
				return oneEnd(err, channel.ErrDraining)
			}
			shmtest.Yield()
		}
	},
	"State":        func(s *sides) error { return s.sealed(s.b) },
	"State, local": func(s *sides) error { return s.sealed(s.a) },
	"Reason": func(s *sides) error {
		for s.b.Reason() != "over" {
			shmtest.Yield()
		}
		return nil
	},
	"Watch": func(s *sides) error {
		for c, err := range s.b.Watch(s.ctx) {
			if err != nil || c.State != state.Active {
				return err
			}
		}
		return nil
	},
	"observer": func(s *sides) error {
		o, err := channel.Open(s.ctx, "q", channel.OpenOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		return errors.Join(s.sealed(o), o.Close())
	},
}

func (s *sides) sealed(ch *channel.Channel) error {
	for ch.State() == state.Active {
		shmtest.Yield()
	}
	return nil
}

func TestOrderFromASealToWhoLearnsOfIt(t *testing.T) {
	for name, learn := range learners {
		t.Run(name, func(t *testing.T) {
			s := newSides(t, channel.Options{Slots: 8})
			s.beside(s.send(func() error { return s.a.Seal("over") }),
				s.then(func() error { return learn(s) }))
		})
	}
}

func TestOrderFromAForceToItsReceiver(t *testing.T) {
	s := newSides(t, channel.Options{Slots: 8})
	require.NoError(t, s.sendOne())
	s.beside(s.send(s.end), s.then(func() error {
		for {
			m, err := s.rx.TryRecv()
			var gone *channel.DiscardedError
			switch {
			case errors.As(err, &gone) || errors.Is(err, io.EOF):
				return nil
			case err != nil && !errors.Is(err, channel.ErrEmpty):
				return err
			}
			m.Release()
			shmtest.Yield()
		}
	}))
}

func TestOrderFromASendToWhoDiscardsIt(t *testing.T) {
	s := newSides(t, channel.Options{Slots: 8})
	require.NoError(t, s.rx.Close())
	s.beside(s.send(func() error {
		if err := s.sendOne(); !errors.Is(err, channel.ErrClosed) { // the end may come first
			return err
		}
		return nil
	}), s.end)
}

func TestOrderFromARoleToItsSuccessor(t *testing.T) {
	s := newSides(t, channel.Options{Kind: channel.SPSC})
	s.beside(s.send(s.rx.Close), s.then(func() error {
		rx, err := s.a.Receiver(s.ctx)
		if err == nil {
			s.rx = rx
		}
		return err
	}))
	s.beside(s.send(s.tx.Close), s.then(func() error { _, err := s.b.Sender(s.ctx); return err }))
}

func TestOrderFromACreatorToWhoOpens(t *testing.T) {
	s := &sides{t: t, ctx: begin(t)}
	var a, b *channel.Channel
	s.beside(s.send(func() (err error) {
		a, err = channel.Create(s.ctx, "late", channel.Options{})
		return err
	}), s.then(func() (err error) {
		b, err = channel.Open(s.ctx, "late", channel.OpenOptions{Wait: true})
		return err
	}))
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

func TestOrderFromASignalToWhoSeesIt(t *testing.T) {
	for name, see := range map[string]func(s *sides, e *channel.Event) error{
		"Wait": func(s *sides, e *channel.Event) error {
			_, _, err := e.Wait(s.ctx, 0)
			return err
		},
		"Load": func(_ *sides, e *channel.Event) error {
			for {
				if seq, _, err := e.Load(); err != nil || seq > 0 {
					return err
				}
				shmtest.Yield()
			}
		},
		"After": func(s *sides, e *channel.Event) error {
			_, err := channel.Wait(s.ctx, e.After(0))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sides{t: t, ctx: begin(t)}
			one := newEvent(t, channel.EventOptions{})
			two := openEvent(t)
			s.beside(s.send(func() error { _, err := one.Signal([]byte("x")); return err }),
				s.then(func() error { return see(s, two) }))
		})
	}
}
