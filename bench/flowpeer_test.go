package bench

import (
	"context"
	"encoding/json"
	"fmt"

	"shmring/channel"
	"shmring/internal/measure"
)

// An order tells a peer what to do next: first some messages to warm up, without a plan, then
// those that count. It travels as JSON.
type order struct {
	From, To uint64
	Start    int64 // of the plan; zero: flat out
	Line     bool  // only answer the measurement of the way between the cores
	Bye      bool
}

// obey carries out the orders of the parent, in words of the benchmark's own, and answers
// each with what it used up.
func (p *peer) obey(work func(o order) error, syscalls func() uint64) error {
	unpin, err := measure.Pin(p.Core)
	if err != nil {
		return err
	}
	defer unpin()
	answer, err := p.line()
	if err != nil {
		return err
	}
	p.conn.Say("ready")
	for {
		var o order
		if err := json.Unmarshal([]byte(p.conn.Hear()), &o); err != nil {
			return err
		}
		switch {
		case o.Bye:
			return nil
		case o.Line:
			answer(o.From)
			continue
		}
		before := measure.Spent(syscalls)
		measure.SleepUntil(o.Start)
		if err := work(o); err != nil {
			return err
		}
		report, err := json.Marshal(measure.Spent(syscalls).Minus(before))
		if err != nil {
			return err
		}
		p.conn.Say("%s", report)
	}
}

// order tells every peer the same.
func (r *run) order(o order) {
	r.Helper()
	text, err := json.Marshal(o)
	r.check(err)
	for _, c := range r.peers {
		c.Say("%s", text)
	}
}

// answers waits for the answers of all peers to an order, and adds them up.
func (r *run) answers() (sum measure.Spending) {
	r.Helper()
	for _, c := range r.peers {
		line, _ := c.Hear()
		var theirs measure.Spending
		if err := json.Unmarshal([]byte(line), &theirs); err != nil {
			r.Fatalf("peer said %q: %v", line, c.Wait())
		}
		sum = sum.Plus(theirs)
	}
	return sum
}

// between measures the way between the cores, with the first peer: before the first message,
// and after the last.
func (r *run) between(first uint64) float64 {
	r.Helper()
	if r.line == nil {
		return 0
	}
	text, err := json.Marshal(order{Line: true, From: first})
	r.check(err)
	r.peers[0].Say("%s", text)
	return passLine(r.line, first)
}

// dismiss lets the peers go.
func (r *run) dismiss() {
	r.Helper()
	if r.line != nil {
		r.metric(max(r.before, r.between(lineBlocks*lineTrips)), "line-ns")
	}
	r.order(order{Bye: true})
	for _, c := range r.peers {
		r.check(c.Wait())
	}
}

// stretch is what an order means for a sender of this job.
func (p *peer) stretch(o order) stretch {
	s := stretch{from: o.From, to: o.To}
	if o.Start != 0 {
		s.plan = p.Plan
		s.plan.Start += o.Start
	}
	return s
}

// senders opens the channels of the job and takes the role of a sender in each.
func (p *peer) senders() (txs []*channel.Sender, close func(), err error) {
	chs, close, err := p.openAll()
	if err != nil {
		return nil, nil, err
	}
	for _, ch := range chs {
		tx, err := ch.Sender(context.Background())
		if err != nil {
			close()
			return nil, nil, err
		}
		txs = append(txs, tx)
	}
	return txs, close, nil
}

// openAll opens the channels of the job.
func (p *peer) openAll() (chs []*channel.Channel, close func(), err error) {
	close = func() {
		for _, ch := range chs {
			_ = ch.Close() // the parent looks for what is left
		}
	}
	for i := range p.Channels {
		ch, err := p.open(i)
		if err != nil {
			close()
			return nil, nil, err
		}
		chs = append(chs, ch)
	}
	return chs, close, nil
}

// sourcePeer is a sender of a flow.
func sourcePeer(p *peer) error {
	txs, done, err := p.senders()
	if err != nil {
		return err
	}
	defer done()
	out := newOutlet(txs, p.Sender, p.Size, p.Batch)
	return p.obey(func(o order) error { return out.send(p.stretch(o)) }, nil)
}

// sinkPeer receives a flow of several streams and verifies it.
func sinkPeer(p *peer) error {
	chs, done, err := p.openAll()
	if err != nil {
		return err
	}
	defer done()
	var ins []*inlet
	for i, ch := range chs {
		rx, err := ch.Receiver(context.Background())
		if err != nil {
			return err
		}
		ins = append(ins, newInlet(rx, flow{senders: 1, streams: len(chs)}, i, 0, 1))
	}
	return p.obey(func(o order) error { return receiveAll(ins, p.stretch(o)) }, nil)
}

// receiveAll receives a stretch of a sender on its streams.
func receiveAll(ins []*inlet, s stretch) error {
	fs := make([]func() error, len(ins))
	for i, in := range ins {
		in.warm, in.plans[0] = s.from, s.plan
		_, count := onStream(s, in.stream, in.streams)
		fs[i] = func() error { return in.receive(count) }
	}
	return together(fs...)
}

// name of a channel of a flow.
func (f flow) channel(sender, stream int) string {
	return fmt.Sprintf("%s-%d-%d", f.name, sender, stream)
}
