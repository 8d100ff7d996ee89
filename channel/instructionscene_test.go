//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

// A scene is one channel with one victim, seen from the process that survives.
type scene struct {
	t       *testing.T
	call    *steppedCall
	name    string
	spot    spot          // where the victim is to be killed
	load    bool          // a hammer sends too
	started chan struct{} // closed when the victim begins
	over    chan struct{} // closed when the victim is dead
	end     func()        // closes over
	running sync.WaitGroup

	ended bool   // the call was over when the victim was killed
	at    uint64 // what it would have executed next

	ch     *channel.Channel
	tx     *channel.Sender
	rx     *channel.Receiver
	got    []taken
	haul   chan error // what ended the goroutine that received got
	sent   []uint64   // by tx, accepted
	blocks chan error // result of a Send of the message last in a goroutine
	last   uint64
	others uint64 // messages of the hammer, accepted
}

func newScene(c *steppedCall, name string) *scene {
	s := &scene{call: c, name: name, started: make(chan struct{}), over: make(chan struct{})}
	s.end = sync.OnceFunc(func() { close(s.over) })
	return s
}

// String says where the victim was killed.
func (s *scene) String() string {
	return fmt.Sprintf("%s killed at %v; call over: %v", s.call.name, s.spot, s.ended)
}

// taken is one message that was received.
type taken struct {
	who, index, pos uint64
	again           bool
}

// sceneOptions keep the rings of scenes small: the victims pass many laps.
var sceneOptions = channel.Options{Slots: 8, ArenaBytes: 32 << 10, MaxParticipants: 8}

// create makes the scene's channel, with the roles that the test has in it.
func (s *scene) create(t *testing.T, sender, receiver bool) {
	t.Helper()
	o := sceneOptions
	o.Kind = s.call.kind
	ch, err := channel.Create(t.Context(), s.name, o)
	require.NoError(t, err)
	t.Cleanup(func() { // done before, unless the test failed
		s.end()
		s.running.Wait() // the context of the test is over
		_ = ch.Close()
	})
	s.ch, s.t = ch, t
	if sender {
		s.tx, err = ch.TrySender()
		require.NoError(t, err)
	}
	if receiver {
		s.rx, err = ch.TryReceiver()
		require.NoError(t, err)
	}
}

// send sends messages of sender 1 and notes them.
func (s *scene) send(indexes ...uint64) {
	for _, i := range indexes {
		require.NoError(s.t, s.tx.TrySend(message(1, i)), "%v", s)
		s.sent = append(s.sent, i)
	}
}

// receive takes messages until an error, which it returns.
func (s *scene) receive(ctx context.Context) error {
	for {
		m, err := s.rx.Recv(ctx)
		if err != nil {
			return err
		}
		if err := s.take(m); err != nil {
			return err
		}
	}
}

// take notes a message and releases it.
func (s *scene) take(m channel.Message) error {
	who, i, err := verify(m.Bytes())
	s.got = append(s.got, taken{who, i, m.Position(), m.Redelivered()})
	m.Release()
	return err
}

// collect receives in a goroutine, from when is closed or reports true.
func (s *scene) collect(ctx context.Context, when func() bool) {
	s.haul = make(chan error, 1)
	s.running.Go(func() {
		s.until(when)
		s.haul <- s.receive(ctx)
	})
}

// until waits for a condition, or for the death of the victim.
func (s *scene) until(when func() bool) {
	for !when() {
		select {
		case <-s.over:
			return
		default:
			shmtest.Yield()
		}
	}
}

// block sends a message in a goroutine, once the victim is there and when reports true.
func (s *scene) block(ctx context.Context, i uint64, when func() bool) {
	s.blocks, s.last = make(chan error, 1), i
	s.running.Go(func() {
		select {
		case <-s.started:
		case <-s.over:
		}
		s.until(when)
		s.blocks <- s.tx.Send(ctx, message(1, i))
	})
}

// of returns the indexes of one sender's messages, in the order in which they came.
func (s *scene) of(who uint64) []uint64 {
	indexes := []uint64{}
	for _, m := range s.got {
		if m.who == who {
			indexes = append(indexes, m.index)
		}
	}
	return indexes
}

// upTo returns the numbers below n.
func upTo(n uint64) []uint64 {
	list := make([]uint64, n)
	for i := range list {
		list[i] = uint64(i)
	}
	return list
}

// skipped counts the positions between the first and the last message at which there was none.
func (s *scene) skipped() uint64 {
	if len(s.got) == 0 {
		return 0
	}
	return s.got[len(s.got)-1].pos - s.got[0].pos + 1 - uint64(len(s.got))
}

// goesOn shows that the channel works and has all its room: a lap, and the largest message.
func (s *scene) goesOn() {
	s.t.Helper()
	require.Equal(s.t, state.Active, s.ch.State(), "%v", s)
	n := uint64(0)
	for ; ; n++ {
		err := s.tx.TrySend(message(3, n))
		if errors.Is(err, channel.ErrFull) {
			break
		}
		require.NoError(s.t, err, "%v", s)
	}
	require.EqualValues(s.t, s.ch.Options().Slots, n, "room was lost: %v", s)
	s.takeAll(n)
	require.Equal(s.t, upTo(n), s.of(3), "%v", s)
	largest := make([]byte, s.ch.MaxMessage())
	require.NoError(s.t, s.tx.TrySend(largest), "%v", s)
	m, err := s.rx.TryRecv()
	require.NoError(s.t, err, "%v", s)
	require.Len(s.t, m.Bytes(), len(largest), "%v", s)
	m.Release()
}

// takeAll takes n messages that are there.
func (s *scene) takeAll(n uint64) {
	s.t.Helper()
	for range n {
		m, err := s.rx.TryRecv()
		require.NoError(s.t, err, "%v", s)
		require.False(s.t, m.Redelivered(), "sent after the death: %v", s)
		require.NoError(s.t, s.take(m), "%v", s)
	}
}

// finish ends the channel as its user would, and shows that nothing is left.
func (s *scene) finish() {
	s.t.Helper()
	require.Zero(s.t, s.ch.Stats().Depth, "%v", s)
	for _, p := range s.ch.Participants() {
		require.EqualValues(s.t, os.Getpid(), p.PID, "the dead is still listed: %v", s)
	}
	path := s.ch.Path()
	_, err := s.ch.Shutdown(s.t.Context(), channel.ShutdownOptions{})
	require.NoError(s.t, err, "%v", s)
	s.closed(path)
}

// closed shows that a channel that was shut down is at its end and has no file.
func (s *scene) closed(path string) {
	s.t.Helper()
	require.Equal(s.t, state.Closed, s.ch.State(), "%v", s)
	if s.tx != nil {
		require.ErrorIs(s.t, s.tx.TrySend(nil), channel.ErrClosed, "%v", s)
	}
	if s.rx != nil {
		_, err := s.rx.TryRecv()
		require.Equal(s.t, io.EOF, err, "%v", s)
	}
	s.gone(path)
}

// gone closes the channel and shows that the file is gone.
func (s *scene) gone(path string) {
	s.t.Helper()
	require.NoError(s.t, s.ch.Close(), "%v", s)
	require.NoFileExists(s.t, path, "%v", s)
}
