package channel_test

import (
	"context"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

// A bytesScript turns the bytes of a fuzzer into decisions. When they are used up every
// decision is the first one.
type bytesScript struct{ b []byte }

func (s *bytesScript) below(n int) int {
	if len(s.b) == 0 {
		return 0
	}
	v := int(s.b[0])
	s.b = s.b[1:]
	return v % n
}

// reading is a receiver over a ring whose content a fuzzer wrote.
type reading struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // of one input
	s    *bytesScript
	ch   *channel.Channel
	rx   *channel.Receiver
	held []channel.Message
	sum  byte
}

// check fails unless err is one that a caller may test for.
func (r *reading) check(err error) { require.NoError(r.t, typed(err)) }

// FuzzReceive lets the fuzzer write tail, head, state, poison, an intent, slots and arena of
// a channel, and then the calls of its receiver's side. Every one returns a value or a typed
// error.
func FuzzReceive(f *testing.F) {
	rnd := newSeeds()
	for i := range 24 {
		f.Add(byte(i), rnd.words(3), rnd.bytes(40*(i%8)), rnd.bytes(60))
	}
	for i := range byte(8) { // a whole ring: tail and head of an empty one, and no damage
		f.Add(i, []byte{}, []byte{}, rnd.bytes(60))
	}
	f.Fuzz(func(t *testing.T, shape byte, words, slots, calls []byte) {
		if len(calls) > 1<<10 {
			return
		}
		shmtest.Bounded(t, inputTime, 32<<20, func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			r := &reading{t: t, ctx: ctx, s: &bytesScript{calls}}
			var err error
			r.ch, err = channel.Create(ctx, "", fuzzShape(shape))
			require.NoError(t, err)
			tx, err := r.ch.TrySender() // somebody who lives has an intent
			require.NoError(t, err)
			r.damage(words, slots)
			for len(r.s.b) > 0 {
				r.step(tx)
			}
			r.leave()
			r.check(tx.Close())
			r.check(r.ch.Close())
		})
	})
}

// fuzzShape chooses a small geometry.
func fuzzShape(shape byte) channel.Options {
	o := channel.Options{
		Nameless: true, Slots: 1 << (shape & 3), SlotSize: 32, ArenaBytes: 4096, MaxParticipants: 5,
		OpenOptions: channel.OpenOptions{Guard: shape&64 != 0},
	}
	if shape&4 != 0 {
		o.ArenaBytes = channel.NoArena
	}
	if shape&8 != 0 {
		o.Checksums = true
	}
	if shape&16 != 0 {
		o.Timestamps = true
	}
	if shape&32 != 0 {
		o.Kind = channel.SPSC
	}
	return o
}

// damage writes what the fuzzer chose: words that rule the ring, then its bytes.
func (r *reading) damage(words, slots []byte) {
	v := r.ch.View()
	store := []func(uint64){
		v.Control.Tail.V.Store, v.Control.Head.V.Store,
		v.Participants[layout.PlaceSender].Intent.Store,
		func(w uint64) { v.Control.State.V.Store(uint32(w)) },
		func(w uint64) { v.Control.Poison.Code.Store(uint32(w)) },
		v.Control.Totals.Redeliver.Store,
	}
	for len(words) >= 9 {
		store[int(words[0])%len(store)](binary.LittleEndian.Uint64(words[1:]))
		words = words[9:]
	}
	copy(v.Slots, slots)
	if len(slots) > len(v.Slots) {
		copy(v.Arena, slots[len(v.Slots):])
	}
}

// step makes one call of the receiver's side.
func (r *reading) step(tx *channel.Sender) {
	if r.rx == nil {
		var err error
		if r.rx, err = r.ch.TryReceiver(); err != nil {
			r.check(err)
			r.rx = nil
		}
	}
	short, cancel := context.WithTimeout(r.ctx, time.Duration(r.s.below(2))*time.Millisecond)
	defer cancel()
	switch call := r.s.below(12); {
	case call == 0:
		r.check(tx.TrySend(make([]byte, r.s.below(100))))
	case call == 1:
		_, err := r.ch.Recover(short)
		r.check(err)
	case call == 2:
		r.check(r.ch.Drain(short, nil))
	case call == 3:
		r.look()
	case call == 4 && r.s.below(8) == 0:
		_, err := r.ch.Shutdown(short, channel.ShutdownOptions{
			AtDeadline: channel.Policy(r.s.below(3)),
			Discarded:  func(b []byte) { r.read(b) },
		})
		r.check(err)
	case call == 5:
		r.leave()
	case r.rx != nil:
		r.receive(short, call)
	}
}

// receive makes one call of the receiver.
func (r *reading) receive(ctx context.Context, call int) {
	switch call {
	case 6, 7:
		r.took(r.rx.TryRecv())
	case 8:
		r.took(r.rx.Recv(ctx))
	case 9:
		b, err := r.rx.RecvAppend(ctx, nil)
		r.read(b)
		r.check(err)
	case 10:
		ms := make([]channel.Message, 3)
		n, err := r.rx.RecvBatch(ctx, ms)
		r.check(err)
		for _, m := range ms[:n] {
			r.took(m, nil)
		}
	default:
		if n := len(r.held); n > 0 {
			i := r.s.below(n)
			r.held[i].Release()
			r.held[i].Release()
			r.held = append(r.held[:i], r.held[i+1:]...)
		}
	}
}

func (r *reading) took(m channel.Message, err error) {
	r.check(err)
	if err != nil {
		return
	}
	r.read(m.Bytes())
	m.Sent()
	r.held = append(r.held, m)
}

// read reads all of b, which no message is longer than the longest.
func (r *reading) read(b []byte) {
	require.LessOrEqual(r.t, len(b), r.ch.MaxMessage())
	for _, c := range b {
		r.sum += c
	}
}

// look asks everything, and that no count is more than there is.
func (r *reading) look() {
	s := r.ch.Stats()
	require.LessOrEqual(r.t, s.Depth, s.Slots)
	require.LessOrEqual(r.t, s.ArenaUsed, s.ArenaBytes)
	ask(r.ch)
	if r.rx != nil {
		require.LessOrEqual(r.t, r.rx.Len(), int(s.Slots)+1)
	}
}

// leave closes the receiver and gives back what it held.
func (r *reading) leave() {
	if r.rx != nil {
		r.check(r.rx.Close())
	}
	for _, m := range r.held {
		_, err := io.Discard.Write(m.Bytes())
		r.check(err)
		m.Release()
	}
	r.rx, r.held = nil, nil
}

// seeds makes inputs that are always the same.
type seeds struct{ n uint64 }

func newSeeds() *seeds { return &seeds{1} }

func (s *seeds) next() uint64 {
	s.n = s.n*6364136223846793005 + 1442695040888963407
	return s.n >> 11
}

func (s *seeds) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.next() >> 8)
	}
	return b
}

// words returns n stores: which word, and a value that is near a possible one.
func (s *seeds) words(n int) []byte {
	var b []byte
	near := []uint64{
		0, 1, 1 << 63, ^uint64(0), uint64(state.NewWord(state.Draining)), 1<<63 | 2<<8, 3 << 8, 5,
	}
	for range n {
		b = append(b, byte(s.next()%6))
		b = binary.LittleEndian.AppendUint64(b, near[s.next()%8])
	}
	return b
}
