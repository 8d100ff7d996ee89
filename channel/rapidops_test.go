package channel_test

import (
	"context"
	"errors"
	"io/fs"

	"pgregory.net/rapid"

	"shmring/channel"
	"shmring/state"
)

// operations are what the machine can do. Those that find nothing to do it to do nothing.
var operations = map[string]func(*machine){
	"open": (*machine).open, "close": (*machine).closeHandle, "remove": (*machine).remove,
	"sender": (*machine).newSender, "close sender": (*machine).closeSender,
	"receiver": (*machine).newReceiver, "close receiver": (*machine).closeReceiver,
	"send": (*machine).send, "try send": (*machine).trySend, "batch": (*machine).batch,
	"reserve": (*machine).reserve, "commit": (*machine).commit, "abort": (*machine).abort,
	"recv": (*machine).recv, "try recv": (*machine).recv, "recv again": (*machine).recv,
	"append": (*machine).recvAppend, "recv batch": (*machine).recvBatch,
	"wait": (*machine).wait, "release": (*machine).release, "release more": (*machine).release,
	"release batch": (*machine).releaseBatch, "stats": (*machine).stats,
	"seal": (*machine).seal, "drain": (*machine).drain, "leave": (*machine).leave,
	"force": (*machine).force, "rollback": (*machine).rollback, "recover": (*machine).recover,
}

// open attaches once more, or creates.
func (x *machine) open() {
	ctx := context.Background()
	switch {
	case len(x.handles) >= maxHandles:
	case x.m == nil:
		x.adopt(channel.OpenOrCreate(ctx, x.name, x.o))
	case x.m.state == state.Closed:
		_, err := channel.Open(ctx, x.name, x.o.OpenOptions)
		x.expect("open a closed channel", err, fs.ErrNotExist)
	case rapid.Bool().Draw(x.t, "or create"):
		full, _ := x.m.rest(x.m.next)
		left := x.m.state != state.Active && (full == 0 || x.m.forced)
		if len(x.handles) == 0 && left { // it will be replaced
			x.expect("close the observer", x.observer.Close(), nil)
			x.m, x.observer = nil, nil
		}
		x.adopt(channel.OpenOrCreate(ctx, x.name, x.o))
	default:
		x.adopt(channel.Open(ctx, x.name, x.o.OpenOptions))
	}
}

func (x *machine) adopt(ch *channel.Channel, err error) {
	x.expect("open", err, nil)
	x.handles = append(x.handles, &handle{ch: ch})
	if x.m != nil {
		return
	}
	x.m = newModel(ch)
	x.observer, err = channel.Open(context.Background(), x.name,
		channel.OpenOptions{ReadOnly: true})
	x.expect("observe", err, nil)
}

// pickOf draws one of what passes, zero if nothing does.
func pickOf[T any](t *rapid.T, what string, all []*T, pass func(*T) bool) *T {
	var some []*T
	for _, one := range all {
		if pass(one) {
			some = append(some, one)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return rapid.SampledFrom(some).Draw(t, what)
}

func (x *machine) openHandle() *handle {
	return pickOf(x.t, "handle", x.handles, func(h *handle) bool { return !h.closed })
}

func (x *machine) sender(pass func(*modelSender) bool) *modelSender {
	var all []*modelSender
	for _, h := range x.handles {
		all = append(all, h.txs...)
	}
	return pickOf(x.t, "sender", all, pass)
}

func (x *machine) receiver(pass func(*modelReceiver) bool) *modelReceiver {
	var all []*modelReceiver
	for _, h := range x.handles {
		if h.rx != nil {
			all = append(all, h.rx)
		}
	}
	return pickOf(x.t, "receiver", all, pass)
}

func anySender(*modelSender) bool { return true }

func anyReceiver(*modelReceiver) bool { return true }

func (x *machine) closeHandle() {
	h := x.openHandle()
	if h == nil {
		return
	}
	x.expect("close", h.ch.Close(), nil)
	x.expect("close again", h.ch.Close(), channel.ErrClosed)
	h.closed = true
	for _, tx := range h.txs {
		tx.closed, tx.gone = true, tx.gone || !tx.leased
	}
	if h.rx != nil {
		x.shutReceiver(h.rx)
	}
	x.settle()
}

func (x *machine) remove() {
	err := channel.Remove(context.Background(), x.name, channel.RemoveOptions{})
	if x.m == nil || x.m.state == state.Closed {
		x.expect("remove nothing", err, fs.ErrNotExist)
		return
	}
	full, _ := x.m.rest(x.m.next)
	if len(x.handles) > 0 || full > 0 {
		x.expect("remove", err, channel.ErrBusy)
		return
	}
	x.expect("remove", err, nil)
	x.vanish()
}

func (x *machine) newSender() {
	h := x.openHandle()
	if h == nil {
		return
	}
	taken, limit := 0, participants-1
	if x.o.Kind == channel.SPSC {
		limit = 1
	}
	for _, h := range x.handles {
		for _, tx := range h.txs {
			if !tx.gone {
				taken++
			}
		}
	}
	tx, err := h.ch.TrySender()
	if taken >= limit {
		x.expect("sender", err, channel.ErrBusy)
		return
	}
	x.expect("sender", err, nil)
	h.txs = append(h.txs, &modelSender{tx: tx})
}

func (x *machine) closeSender() {
	s := x.sender(anySender)
	if s == nil {
		return
	}
	var want error
	if s.closed {
		want = channel.ErrClosed
	}
	x.expect("close sender", s.tx.Close(), want)
	s.closed, s.gone = true, s.gone || !s.leased
	x.settle()
}

func (x *machine) newReceiver() {
	h := x.openHandle()
	if h == nil {
		return
	}
	taken := false
	for _, h := range x.handles {
		taken = taken || h.rx != nil && !h.rx.gone
	}
	rx, err := h.ch.TryReceiver()
	if taken {
		x.expect("receiver", err, channel.ErrBusy)
		return
	}
	x.expect("receiver", err, nil)
	h.rx = &modelReceiver{rx: rx}
}

func (x *machine) closeReceiver() {
	r := x.receiver(anyReceiver)
	if r == nil {
		return
	}
	var want error
	if r.closed {
		want = channel.ErrClosed
	}
	x.expect("close receiver", r.rx.Close(), want)
	x.shutReceiver(r)
	x.settle()
}

// shutReceiver notes the end of a receiver. What a Wait kept is the next receiver's.
func (x *machine) shutReceiver(r *modelReceiver) {
	if !r.closed {
		x.m.published = true
	}
	r.closed, r.kept = true, false
	r.gone = r.gone || len(r.held) == 0
}

// refuse says what a sender is told before its ring is asked.
func (s *modelSender) refuse() error {
	switch {
	case s.closed:
		return channel.ErrClosed
	case s.leased:
		return channel.ErrBusy
	}
	return nil
}

func (x *machine) send() { x.sendBy((*channel.Sender).Send) }

func (x *machine) trySend() {
	x.sendBy(func(tx *channel.Sender, _ context.Context, b []byte) error { return tx.TrySend(b) })
}

func (x *machine) sendBy(send func(*channel.Sender, context.Context, []byte) error) {
	s := x.sender(anySender)
	if s == nil {
		return
	}
	b := x.message()
	want := s.refuse()
	if want == nil {
		want = x.m.refusal(1, x.m.unitsOf(len(b)))
	}
	if errors.Is(want, channel.ErrFull) {
		x.expect("try send", s.tx.TrySend(b), want)
		return
	}
	x.expect("send", send(s.tx, context.Background(), b), want)
	if want == nil {
		x.m.push(b, false, x.m.pad(x.m.unitsOf(len(b))))
	}
}

func (x *machine) batch() {
	s := x.sender(anySender)
	if s == nil {
		return
	}
	ps := make([][]byte, rapid.IntRange(0, 8).Draw(x.t, "batch"))
	for i := range ps {
		ps[i] = x.message()
	}
	n, want := 0, s.refuse()
	switch {
	case want == nil:
		n, want = x.m.sendBatch(ps)
	case len(ps) == 0 && s.leased && !s.closed:
		want = nil
	}
	got, err := s.tx.TrySendBatch(ps)
	x.expect("batch", err, want)
	if got != n {
		x.t.Fatalf("batch: %d of %d accepted, the model says %d", got, len(ps), n)
	}
}

func (x *machine) reserve() {
	s := x.sender(anySender)
	if s == nil {
		return
	}
	b := x.message()
	want := s.refuse()
	if want == nil {
		want = x.m.refusal(1, x.m.unitsOf(len(b)))
	}
	l, err := s.tx.TryReserve(len(b))
	x.expect("reserve", err, want)
	if want != nil {
		return
	}
	if len(l.Bytes()) != len(b) {
		x.t.Fatalf("reserved %d bytes, got %d", len(b), len(l.Bytes()))
	}
	s.lease, s.leased, s.slot = l, true, len(x.m.slots)
	x.m.push(b, true, x.m.pad(x.m.unitsOf(len(b))))
}

// commit ends the last lease, or shows that it has ended.
func (x *machine) commit() {
	s := x.sender(anySender)
	if s == nil {
		return
	}
	if !s.leased {
		x.expect("commit again", s.lease.Commit(0), channel.ErrState)
		return
	}
	slot := &x.m.slots[s.slot]
	x.expect("commit too much", s.lease.Commit(len(slot.data)+1), channel.ErrTooBig)
	copy(s.lease.Bytes(), slot.data)
	slot.data = slot.data[:rapid.IntRange(0, len(slot.data)).Draw(x.t, "commit")]
	x.expect("commit", s.lease.Commit(len(slot.data)), nil)
	slot.open = false
	x.m.count(len(slot.data))
	x.endLease(s)
}

func (x *machine) abort() {
	s := x.sender(anySender)
	if s == nil {
		return
	}
	s.lease.Abort()
	if s.leased {
		x.m.slots[s.slot].open, x.m.slots[s.slot].aborted = false, true
		x.endLease(s)
	}
}

func (x *machine) endLease(s *modelSender) {
	s.leased, s.gone = false, s.closed
	x.settle()
}
