package channel_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/shmtest"
	"shmring/state"
)

// A handle is one attachment, and what was taken from it.
type handle struct {
	ch     *channel.Channel
	closed bool
	txs    []*modelSender
	rx     *modelReceiver
}

// attached reports whether the segment is still mapped for this handle.
func (h *handle) attached() bool {
	for _, x := range h.txs {
		if !x.gone {
			return true
		}
	}
	return !h.closed || h.rx != nil && !h.rx.gone
}

type modelSender struct {
	tx     *channel.Sender
	closed bool
	gone   bool          // its place is free
	leased bool          // a lease is outstanding
	lease  channel.Lease // the last one
	slot   int
}

type modelReceiver struct {
	rx     *channel.Receiver
	closed bool
	gone   bool
	kept   bool  // a Wait took the next message
	final  error // the end, once it was told
	held   []heldMessage
	last   uint64 // position of the last message
	any    bool
}

type heldMessage struct {
	m    channel.Message
	slot int
}

// A machine does to a channel what rapid says, through several attachments of one
// process, and to the model the same.
type machine struct {
	t        *rapid.T
	name     string
	o        channel.Options
	m        *model // nil: there is no segment
	handles  []*handle
	observer *channel.Channel
	count    int // of messages, for their content
	steps    *int
}

const (
	maxHandles   = 3
	participants = 5
)

// stateMachine is the property: whatever is done to a channel, it does what the model does.
func stateMachine(name string, steps *int) func(*rapid.T) {
	return func(t *rapid.T) {
		o := channel.Options{
			Kind:            channel.Kind(rapid.IntRange(0, 1).Draw(t, "kind")),
			Slots:           rapid.SampledFrom([]int{1, 2, 4, 16, 64}).Draw(t, "slots"),
			SlotSize:        rapid.SampledFrom([]int{32, 64}).Draw(t, "slot size"),
			ArenaBytes:      rapid.SampledFrom([]int{channel.NoArena, 4096, 8192}).Draw(t, "arena"),
			MaxParticipants: participants,
			Lifetime:        channel.Lifetime(rapid.IntRange(0, 1).Draw(t, "lifetime")),
			Checksums:       rapid.Bool().Draw(t, "checksums"),
			OpenOptions:     channel.OpenOptions{Guard: rapid.Bool().Draw(t, "guard"), Spin: -1},
		}
		x := &machine{t: t, name: name, o: o, steps: steps}
		defer x.end()
		actions := map[string]func(*rapid.T){"": func(t *rapid.T) { x.t = t; x.check() }}
		for op, f := range operations {
			actions[op] = func(t *rapid.T) { x.t = t; *steps++; f(x) }
		}
		x.open()
		t.Repeat(actions)
	}
}

func TestChannelDoesWhatItsModelDoes(t *testing.T) {
	shmtest.Dir(t)
	shmtest.Watchdog(t, 10*time.Minute)
	began, steps := time.Now(), 0
	checks := evidence.Size(t, "rapidchecks", 0)
	if checks > 0 {
		before := flag.Lookup("rapid.checks").Value.String()
		require.NoError(t, flag.Set("rapid.checks", strconv.Itoa(checks)))
		defer func() { require.NoError(t, flag.Set("rapid.checks", before)) }()
	}
	rapid.Check(t, stateMachine("model", &steps))
	ran, err := strconv.Atoi(flag.Lookup("rapid.checks").Value.String())
	require.NoError(t, err)
	evidence.Write(t, began, evidence.Record{
		Name: "rapid", Title: "random calls of the whole interface against a model",
		Guarantees: []string{"G1", "G2", "G3", "G4", "G5", "G6", "G17", "G18"},
		Counts: map[string]int64{
			"machines": int64(ran), "calls": int64(steps), "differences": 0,
		},
	})
}

func FuzzChannelOps(f *testing.F) {
	shmtest.Dir(f)
	steps := 0
	f.Add(bytes.Repeat([]byte{1, 2, 3, 5, 7, 11, 13, 17}, 200))
	f.Fuzz(rapid.MakeFuzz(stateMachine("fuzz", &steps)))
}

// expect fails unless err is what the model says.
func (x *machine) expect(op string, err, want error) {
	x.t.Helper()
	var gone *channel.DiscardedError
	switch {
	case want == errDiscarded && errors.As(err, &gone): //nolint:errorlint // our own
	case want == nil && err == nil:
	case want != nil && errors.Is(err, want):
	default:
		x.t.Fatalf("%s: %v, the model says %v", op, err, want)
	}
}

// check runs after every operation.
func (x *machine) check() {
	if x.m == nil {
		return
	}
	for _, h := range x.handles {
		if h.rx == nil {
			continue
		}
		for _, held := range h.rx.held {
			if !bytes.Equal(held.m.Bytes(), x.m.slots[held.slot].data) {
				x.t.Fatalf("message %d changed while it was held", held.slot)
			}
		}
		if n := h.rx.rx.Len(); !h.rx.closed && n != len(x.m.slots)-x.m.next {
			x.t.Fatalf("length %d, want %d", n, len(x.m.slots)-x.m.next)
		}
	}
	x.compare(x.observer.Stats(), false)
}

func (x *machine) compare(s channel.Stats, exact bool) {
	senders, receiver := 0, false
	for _, h := range x.handles {
		for _, tx := range h.txs {
			if !tx.gone {
				senders++
			}
		}
		receiver = receiver || h.rx != nil && !h.rx.gone
	}
	if err := x.m.compare(s, senders, receiver, exact); err != nil {
		x.t.Fatalf("%v", err)
	}
	x.m.published = false
}

// settle forgets handles that are gone, and finds out whether the segment is, too.
func (x *machine) settle() {
	var left []*handle
	for _, h := range x.handles {
		if h.attached() {
			left = append(left, h)
		}
	}
	x.handles = left
	if len(left) > 0 {
		return
	}
	full, _ := x.m.rest(x.m.next)
	if x.m.state == state.Closed || full == 0 && !x.m.persistent {
		x.vanish()
	}
}

// vanish is the end of a segment: its name must be free.
func (x *machine) vanish() {
	_, err := channel.Open(context.Background(), x.name, channel.OpenOptions{})
	x.expect("open what is gone", err, fs.ErrNotExist)
	x.expect("close the observer", x.observer.Close(), nil)
	x.m, x.observer = nil, nil
}

// end gives everything back, so that nothing is left behind the run.
func (x *machine) end() {
	for _, h := range x.handles {
		_ = h.ch.Close() // some are closed
		for _, tx := range h.txs {
			tx.lease.Abort()
		}
		if h.rx != nil {
			for _, held := range h.rx.held {
				held.m.Release()
			}
		}
	}
	if x.observer != nil {
		_ = x.observer.Close()
	}
	err := channel.Remove(context.Background(), x.name, channel.RemoveOptions{Unread: true})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		x.t.Fatalf("remove: %v", err)
	}
}

// expired is a context whose deadline has passed.
func expired() (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
}

// patience is the context of a call that ends with want: long, or so short that it may be
// over before the call has begun, which therefore finds the channel sealed.
func (x *machine) patience(h *handle, want error) (context.Context, context.CancelFunc) {
	if !errors.Is(want, context.DeadlineExceeded) {
		return context.WithTimeout(context.Background(), time.Minute)
	}
	x.expect("seal", h.ch.Seal("by the machine"), nil)
	return context.WithTimeout(context.Background(), 2*time.Millisecond)
}

// message draws a message of some size that can be told from others.
func (x *machine) message() []byte {
	most := x.m.most
	n := rapid.OneOf(
		rapid.SampledFrom([]int{0, 1, x.m.inline - 1, x.m.inline, x.m.inline + 1, most, most + 1}),
		rapid.IntRange(0, most+1), rapid.IntRange(0, x.m.inline),
	).Draw(x.t, "size")
	x.count++
	return bytes.Repeat(fmt.Appendf(nil, "%d.", x.count), n/2+1)[:n]
}

// take notes that slot next was handed out as msg.
func (x *machine) take(r *modelReceiver, b []byte) int {
	i := x.m.next
	x.m.next++
	r.kept = false
	if !bytes.Equal(b, x.m.slots[i].data) {
		x.t.Fatalf("received %q, slot %d has %q", b, i, x.m.slots[i].data)
	}
	return i
}

// nextFor says what the receiver's next call finds: nil is a message.
func (x *machine) nextFor(r *modelReceiver) error {
	switch {
	case r.closed:
		return channel.ErrClosed
	case r.kept:
		return nil
	case r.final != nil:
		return r.final
	}
	err := x.m.front()
	switch {
	case errors.Is(err, errDiscarded):
		if full := x.m.discard(x.m.next); full > 0 {
			x.t.Logf("%d discarded", full)
		}
		r.final = err
	case errors.Is(err, io.EOF):
		r.final = err
	}
	return err
}
