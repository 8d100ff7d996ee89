package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"shmring/channel"
	"shmring/internal/measure"
)

// A flow is messages of one size, from peers to this process or back, on a plan that is
// made before: see measure.Plan. With several streams, message n takes channel n modulo
// their number.
type flow struct {
	label   string // before the names of its figures; the flow that counts has none
	name    string // of its channels, with a number behind
	senders int    // processes; zero is one
	apart   bool   // every sender has channels of its own, SPSC; else all share one
	streams int    // channels of a sender; zero is one
	inTurn  bool   // one goroutine receives from all channels in turn, not one from each
	back    bool   // from this process to a peer
	size    int    // bytes
	batch   int    // messages that are due together; zero is one
	every   time.Duration
	options channel.Options
}

func (f flow) plan() measure.Plan { return measure.Plan{Every: f.every, Batch: f.batch} }

// phase spreads senders over the time between two batches: runners do not work in step.
func (f flow) phase(sender int) int64 {
	return int64(f.every) * int64(sender) / int64(f.senders)
}

// planOf is the plan of one sender, for a start that all share.
func (f flow) planOf(sender int, start int64) measure.Plan {
	p := f.plan()
	p.Start = start + f.phase(sender)
	return p
}

// A stretch is a run of messages of a sender: numbers from ≤ n < to, of which the first is
// due when the plan begins.
type stretch struct {
	from, to uint64
	plan     measure.Plan
}

// On a stream of a flow are the numbers from first on, in steps of the number of streams.
func onStream(s stretch, stream, streams int) (first, count uint64) {
	step := uint64(streams)
	first = s.from + (uint64(stream)+step-s.from%step)%step
	if first < s.to {
		count = (s.to - first + step - 1) / step
	}
	return first, count
}

// An inlet is the receiving end of one channel of a flow.
type inlet struct {
	rx        *channel.Receiver
	stream    int
	streams   int
	next      []uint64 // by sender
	plans     []measure.Plan
	warm      uint64 // numbers below are not timed
	due, sent *measure.Latency
}

func newInlet(rx *channel.Receiver, f flow, stream, firstSender, senders int) *inlet {
	in := &inlet{
		rx: rx, stream: stream, streams: f.streams,
		next: make([]uint64, firstSender+senders), plans: make([]measure.Plan, f.senders),
		due: measure.NewLatency(), sent: measure.NewLatency(),
	}
	for i := range in.next {
		in.next[i] = uint64(stream)
	}
	return in
}

// receive takes so many messages, notes their times and verifies them.
func (in *inlet) receive(count uint64) error {
	ctx := context.Background()
	for range count {
		m, err := in.rx.Recv(ctx)
		if err != nil {
			return err
		}
		if err := in.take(m.Bytes()); err != nil {
			return err
		}
		m.Release()
	}
	return nil
}

// take notes the time of a message before it looks at what is in it.
func (in *inlet) take(b []byte) error {
	number, stamp := measure.Peek(b)
	sender, n := number>>measure.SenderShift, number&(1<<measure.SenderShift-1)
	if stamp != 0 && sender < uint64(len(in.plans)) {
		now := measure.Now()
		in.due.Record(now - in.plans[sender].Due(n-in.warm))
		in.sent.Record(now - stamp)
	}
	if sender >= uint64(len(in.next)) || n != in.next[sender] || !measure.Sound(b, number) {
		return wrong(b, in.expected(sender))
	}
	in.next[sender] += uint64(in.streams)
	return nil
}

func (in *inlet) expected(sender uint64) uint64 {
	if sender >= uint64(len(in.next)) {
		return 0
	}
	return measure.Number(sender, in.next[sender])
}

// An outlet is the sending end of the channels of one sender of a flow.
type outlet struct {
	txs    []*channel.Sender
	sender uint64
	size   int
	batch  int
	bufs   [][]byte
}

// inPlace is the size from which messages are written where they will be read.
const inPlace = 4 * kib

func newOutlet(txs []*channel.Sender, sender uint64, size, batch int) *outlet {
	o := &outlet{txs: txs, sender: sender, size: size, batch: max(batch, 1)}
	for range o.batch {
		o.bufs = append(o.bufs, make([]byte, size))
	}
	return o
}

// send sends a stretch as its plan says. A stamp is when the sending began: of messages
// below inPlace after they were written, of others before, since they are written in the
// channel.
func (o *outlet) send(s stretch) error {
	for n := s.from; n < s.to; {
		k := min(uint64(o.batch), s.to-n)
		s.plan.Await(n - s.from)
		stamp := int64(0)
		if s.plan.Paced() {
			stamp = measure.Now()
		}
		if err := o.put(n, int(k), stamp); err != nil {
			return err
		}
		n += k
	}
	return nil
}

// put sends the messages from n on.
func (o *outlet) put(n uint64, count int, stamp int64) error {
	ctx := context.Background()
	tx := o.txs[n%uint64(len(o.txs))]
	if o.batch == 1 && o.size >= inPlace {
		return sendInPlace(ctx, tx, o.size, measure.Number(o.sender, n), stamp)
	}
	for i, b := range o.bufs[:count] {
		measure.Fill(b, measure.Number(o.sender, n+uint64(i)), stamp)
	}
	if count == 1 {
		return tx.Send(ctx, o.bufs[0])
	}
	for bufs := o.bufs[:count]; len(bufs) > 0; {
		k, err := tx.SendBatch(ctx, bufs)
		if err != nil {
			return err
		}
		bufs = bufs[k:]
	}
	return nil
}

// sendInPlace writes a message where it will be read.
func sendInPlace(
	ctx context.Context, tx *channel.Sender, size int, number uint64, stamp int64,
) error {
	l, err := tx.Reserve(ctx, size)
	if err != nil {
		return err
	}
	measure.Fill(l.Bytes(), number, stamp)
	return l.Commit(size)
}

// together runs functions beside each other, the first in the calling goroutine, whose
// thread is pinned.
func together(fs ...func() error) error {
	errs := make([]error, len(fs))
	var all sync.WaitGroup
	for i, f := range fs[1:] {
		all.Go(func() { errs[i+1] = f() })
	}
	errs[0] = fs[0]()
	all.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return fmt.Errorf("flow %d: %w", i, errs[i])
	}
	return nil
}
