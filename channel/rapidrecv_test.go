package channel_test

import (
	"context"
	"errors"

	"pgregory.net/rapid"

	"shmring/channel"
	"shmring/state"
)

func (x *machine) recv() {
	r := x.receiver(anyReceiver)
	if r == nil {
		return
	}
	want := x.nextFor(r)
	recv := r.rx.TryRecv
	if !errors.Is(want, channel.ErrEmpty) && rapid.Bool().Draw(x.t, "may wait") {
		recv = func() (channel.Message, error) { return r.rx.Recv(context.Background()) }
	}
	m, err := recv()
	x.expect("recv", err, want)
	if want == nil {
		x.hold(r, m)
	}
}

// hold notes that m was received.
func (x *machine) hold(r *modelReceiver, m channel.Message) {
	if r.any && m.Position() <= r.last || m.Redelivered() {
		x.t.Fatalf("position %d after %d, again %v", m.Position(), r.last, m.Redelivered())
	}
	r.any, r.last = true, m.Position()
	r.held = append(r.held, heldMessage{m, x.take(r, m.Bytes())})
}

func (x *machine) recvAppend() {
	r := x.receiver(anyReceiver)
	if r == nil {
		return
	}
	want := x.nextFor(r)
	if errors.Is(want, channel.ErrEmpty) {
		_, err := r.rx.TryRecv() // the other would wait
		x.expect("try recv", err, want)
		return
	}
	b, err := r.rx.RecvAppend(context.Background(), []byte("has "))
	x.expect("append", err, want)
	if want != nil {
		return
	}
	i := x.take(r, b[len("has "):])
	x.m.free(i)
	x.m.published = true
}

func (x *machine) recvBatch() {
	r := x.receiver(anyReceiver)
	if r == nil {
		return
	}
	want := x.nextFor(r)
	if errors.Is(want, channel.ErrEmpty) {
		_, err := r.rx.TryRecv() // the other would wait
		x.expect("try recv", err, want)
		return
	}
	ms := make([]channel.Message, rapid.IntRange(1, 6).Draw(x.t, "at most"))
	n, err := r.rx.RecvBatch(context.Background(), ms)
	x.expect("recv batch", err, want)
	if want != nil {
		return
	}
	for i, m := range ms[:n] {
		if i > 0 {
			x.m.pass()
		}
		x.hold(r, m)
	}
	if n == len(ms) || x.m.forced {
		return
	}
	x.m.pass()
	if x.m.next < len(x.m.slots) && !x.m.slots[x.m.next].open {
		x.t.Fatalf("a batch of %d ended at %d before a message", len(ms), n)
	}
}

// wait makes a receiver keep the next message.
func (x *machine) wait() {
	r := x.receiver(func(r *modelReceiver) bool { return !r.closed && r.final == nil })
	if r == nil || x.m.forced || !r.kept && !x.m.ready() {
		return
	}
	if !r.kept {
		x.m.pass()
	}
	i, err := channel.Wait(context.Background(), r.rx)
	x.expect("wait", err, nil)
	if i != 0 {
		x.t.Fatalf("wait: %d of one", i)
	}
	r.kept = true
}

// release gives a message back, whichever, and shows that it is.
func (x *machine) release() {
	r := x.receiver(func(r *modelReceiver) bool { return len(r.held) > 0 })
	if r == nil {
		return
	}
	i := rapid.IntRange(0, len(r.held)-1).Draw(x.t, "message")
	held := r.held[i]
	held.m.Release()
	x.released(r, i)
	if !r.gone {
		held.m.Release()
	}
	x.settle()
}

func (x *machine) released(r *modelReceiver, i int) {
	x.m.free(r.held[i].slot)
	r.held = append(r.held[:i:i], r.held[i+1:]...)
	r.gone = r.closed && len(r.held) == 0
}

func (x *machine) releaseBatch() {
	r := x.receiver(func(r *modelReceiver) bool { return len(r.held) > 0 })
	if r == nil {
		return
	}
	n := rapid.IntRange(1, len(r.held)).Draw(x.t, "messages")
	ms := make([]channel.Message, n)
	for i := range ms {
		ms[i] = r.held[i].m
	}
	r.rx.ReleaseBatch(append(ms, ms[0], channel.Message{}))
	for range ms {
		x.released(r, 0)
	}
	x.settle()
}

// stats looks through all handles, which makes their own counters exact.
func (x *machine) stats() {
	if x.m == nil || len(x.handles) == 0 {
		return
	}
	exact := true
	for _, h := range x.handles {
		if exact = exact && !h.closed; exact {
			h.ch.Stats()
		}
	}
	if exact {
		x.m.published = true
	}
	x.compare(x.observer.Stats(), exact)
}

func (x *machine) seal() {
	h := x.openHandle()
	if h == nil {
		return
	}
	x.expect("seal", h.ch.Seal("by the machine"), nil)
	x.m.seal()
}

func (m *model) seal() {
	if m.state == state.Active {
		m.state = state.Draining
	}
}

func (x *machine) recover() {
	h := x.openHandle()
	if h == nil {
		return
	}
	var want error
	if x.m.state == state.Closed {
		want = channel.ErrState
	}
	_, err := h.ch.Recover(context.Background())
	x.expect("recover", err, want)
}

// drained says how a drain through h ends, if it may wait a moment only.
func (x *machine) drained(h *handle) error {
	m := x.m
	m.seal()
	if h.rx != nil && !h.rx.gone {
		m.head = m.prefix() // it publishes for a receiver of its own
	}
	living := false
	for _, h := range x.handles {
		living = living || h.rx != nil && !h.rx.gone
	}
	full, open := m.rest(m.next)
	switch {
	case m.head == len(m.slots):
		return nil
	case m.state == state.Closed && m.forced:
		return channel.ErrClosed
	case living:
		return context.DeadlineExceeded
	case full > 0:
		return channel.ErrPeerDead
	}
	m.pass()
	if open > 0 {
		return channel.ErrPeerDead
	}
	return nil
}

func (x *machine) drain() {
	h := x.openHandle()
	if h == nil {
		return
	}
	want := x.drained(h)
	ctx, cancel := x.patience(h, want)
	defer cancel()
	x.expect("drain", h.ch.Drain(ctx, nil), want)
}

func (x *machine) leave() {
	h := x.openHandle()
	if h == nil {
		return
	}
	want := error(nil)
	if x.m.state != state.Closed {
		want = x.drained(h)
	}
	ctx, cancel := x.patience(h, want)
	defer cancel()
	_, err := h.ch.Shutdown(ctx, channel.ShutdownOptions{})
	x.expect("shutdown", err, want)
	if want == nil {
		x.m.state = state.Closed
	}
}

func (x *machine) rollback() {
	h := x.openHandle()
	if h == nil {
		return
	}
	ctx, cancel := expired()
	defer cancel()
	_, err := h.ch.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Rollback})
	switch x.m.state {
	case state.Closed:
		x.expect("rollback", err, nil)
		return
	case state.Closing:
		x.expect("rollback", err, channel.ErrState)
	default:
		x.m.state = state.Active
	}
	x.expect("rollback", err, context.DeadlineExceeded)
}

func (x *machine) force() {
	h := x.openHandle()
	if h == nil || rapid.IntRange(0, 3).Draw(x.t, "really") > 0 {
		return
	}
	var taken [][]byte
	ctx, cancel := expired()
	defer cancel()
	r, err := h.ch.Shutdown(ctx, channel.ShutdownOptions{
		AtDeadline: channel.Force,
		Discarded:  func(b []byte) { taken = append(taken, append([]byte{}, b...)) },
	})
	x.expect("force", err, nil)
	if x.m.state == state.Closed {
		return
	}
	x.m.state, x.m.forced = state.Closed, true
	x.forced(r, taken)
}

// forced compares what a Force reports with what was in the channel.
func (x *machine) forced(r channel.Report, taken [][]byte) {
	m := x.m
	for _, h := range x.handles {
		if h.rx != nil && !h.rx.gone { // it has to count, and had no time
			if m.undelivered = int(r.NotDelivered); m.undelivered > len(m.slots)-m.head {
				x.t.Fatalf("%d not delivered of %d", r.NotDelivered, len(m.slots)-m.head)
			}
			return
		}
	}
	for i := m.next; i < len(m.slots) && !m.slots[i].open; i++ {
		if m.slots[i].aborted {
			m.aborted++
			m.slots[i].freed = true
			continue
		}
		if len(taken) == 0 || string(taken[0]) != string(m.slots[i].data) {
			x.t.Fatalf("slot %d was not given to Discarded", i)
		}
		taken = taken[1:]
	}
	full := m.discard(m.next)
	if len(taken) > 0 || int(r.Discarded) != full || int(r.NotDelivered) != m.undelivered {
		x.t.Fatalf("force: %d left over, %d discarded, %d not delivered; the model says %d and %d",
			len(taken), r.Discarded, r.NotDelivered, full, m.undelivered)
	}
}
