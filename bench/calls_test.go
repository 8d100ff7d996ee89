package bench

import (
	"context"
	"fmt"
	"time"

	"shmring/channel"
	"shmring/internal/measure"
)

// Workloads in which this process waits for an answer: the time of a message is from when
// it was due until the last answer is here.

// A call is what a workload of calls and answers measures.
type call struct {
	clients int // of this process, a goroutine each
	servers int // processes that all get every request: a broadcast if more than one
	size    int // bytes of a request
	answer  int // bytes of an answer
	every   time.Duration
	options channel.Options
}

// A caller sends requests and waits for their answers.
type caller struct {
	txs  []*channel.Sender // one to each server
	rx   *channel.Receiver // of all answers to this client
	id   uint64
	plan measure.Plan
	warm uint64
	lat  *measure.Latency
	call
}

// run makes the calls of a measured run.
func (c call) run(r *run) {
	c.clients, c.servers = max(c.clients, 1), max(c.servers, 1)
	each := (r.n + uint64(c.clients) - 1) / uint64(c.clients)
	r.n = each * uint64(c.clients)
	r.beginFor(time.Duration(each) * c.every)
	r.size = c.servers * (c.size + c.answer)
	chs, callers := r.callers(c)
	r.ready()
	warm := uint64(max(2, 64/c.clients))
	if c.size > kib {
		warm = max(2, min(warm, lapOf(c.size)))
	}
	r.order(order{To: warm * uint64(c.clients)})
	r.check(callAll(callers, stretch{to: warm}, 0))
	r.answers()
	count := sleepsAndWakes(chs...)
	start := measure.Now() + int64(leadTime)
	r.order(order{From: 0, To: each * uint64(c.clients), Start: start})
	before := measure.Spent(count)
	measure.SleepUntil(start)
	r.start()
	err := callAll(callers, stretch{from: warm, to: warm + each}, start)
	r.took = time.Duration(measure.Now() - start)
	r.stop()
	r.check(err)
	theirs := r.answers()
	r.load(measure.Spent(count).Minus(before).Plus(theirs))
	lat := measure.NewLatency()
	for _, x := range callers {
		lat.Add(x.lat)
	}
	r.latency("", lat)
	r.dismiss()
}

// callers creates the channels of a workload of calls, its clients and its servers.
func (r *run) callers(c call) (chs []*channel.Channel, callers []*caller) {
	r.Helper()
	o := c.options
	if most := max(c.size, c.answer); most > channel.DefaultArenaBytes/2 {
		o.ArenaBytes = roomFor(most)
	}
	add := func(name string, kind channel.Kind) *channel.Channel {
		o.Kind = kind
		ch := r.create(name, o)
		chs = append(chs, ch)
		return ch
	}
	var requests []*channel.Channel
	for i := range c.servers {
		requests = append(requests, add(fmt.Sprintf("requests-%d", i), channel.MPSC))
	}
	names := []string{}
	for i := range c.clients {
		names = append(names, fmt.Sprintf("answers-%d", i))
		rx, err := add(names[i], channel.MPSC).TryReceiver()
		r.check(err)
		x := &caller{rx: rx, id: uint64(i), call: c, lat: measure.NewLatency()}
		for _, ch := range requests {
			tx, err := ch.TrySender()
			r.check(err)
			x.txs = append(x.txs, tx)
		}
		callers = append(callers, x)
	}
	for i := range c.servers {
		r.peer(job{
			Kind: "answer", Channels: append([]string{requests[i].Name()}, names...),
			Sender: uint64(i), Answer: c.answer, Size: c.clients, Spin: o.Spin,
		})
	}
	return chs, callers
}

func callAll(callers []*caller, s stretch, start int64) error {
	var fs []func() error
	for i, x := range callers {
		x.warm = s.from
		if start != 0 {
			x.plan = measure.Plan{
				Every: x.every, Start: start + int64(x.every)*int64(i)/int64(len(callers)),
			}
		}
		fs = append(fs, func() error { return x.call1(s) })
	}
	return together(fs...)
}

// call1 makes the calls of one client, one after the other.
func (x *caller) call1(s stretch) error {
	ctx := context.Background()
	for n := s.from; n < s.to; n++ {
		x.plan.Await(n - s.from)
		number := measure.Number(x.id, n)
		for _, tx := range x.txs {
			if err := sendInPlace(ctx, tx, x.size, number, 0); err != nil {
				return err
			}
		}
		for range x.txs {
			if err := x.takeAnswer(ctx, number); err != nil {
				return err
			}
		}
		if x.plan.Paced() {
			x.lat.Record(measure.Now() - x.plan.Due(n-s.from))
		}
	}
	return nil
}

func (x *caller) takeAnswer(ctx context.Context, number uint64) error {
	m, err := x.rx.Recv(ctx)
	if err != nil {
		return err
	}
	defer m.Release()
	if len(m.Bytes()) != x.answer || !measure.Sound(m.Bytes(), number) {
		return wrong(m.Bytes(), number)
	}
	return nil
}

// answerPeer answers each request to the client that it is from.
func answerPeer(p *peer) error {
	ctx := context.Background()
	chs, done, err := p.openAll()
	if err != nil {
		return err
	}
	defer done()
	rx, err := chs[0].Receiver(ctx)
	if err != nil {
		return err
	}
	txs := make([]*channel.Sender, 0, len(chs))
	for _, ch := range chs[1:] {
		tx, err := ch.Sender(ctx)
		if err != nil {
			return err
		}
		txs = append(txs, tx)
	}
	next := make([]uint64, len(txs))
	return p.obey(func(o order) error {
		for range o.To - o.From {
			if err := p.answer(ctx, rx, txs, next); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

func (p *peer) answer(
	ctx context.Context, rx *channel.Receiver, txs []*channel.Sender, next []uint64,
) error {
	m, err := rx.Recv(ctx)
	if err != nil {
		return err
	}
	defer m.Release()
	number, _ := measure.Peek(m.Bytes())
	client := number >> measure.SenderShift
	if client >= uint64(len(txs)) || number != measure.Number(client, next[client]) ||
		!measure.Sound(m.Bytes(), number) {
		return wrong(m.Bytes(), number)
	}
	next[client]++
	return sendInPlace(ctx, txs[client], p.Answer, number, 0)
}
