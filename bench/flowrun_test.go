package bench

import (
	"encoding/json"
	"time"

	"shmring/channel"
	"shmring/internal/measure"
)

// A stage is a flow with its ends in this process.
type stage struct {
	flow
	n    uint64 // messages of a sender that count
	chs  []*channel.Channel
	ins  [][]*inlet // by channel group: one for each sender that has its own, else one
	outs *outlet
}

// warm is how many messages each sender sends ahead: enough to touch what a flow of
// small messages uses, and a few large ones.
func (f flow) warm() uint64 {
	lap := uint64(max(f.options.Slots, channelSlots))
	if f.size > f.options.SlotSize {
		lap = lapOf(f.size)
	}
	return max(lap, uint64(2*f.batch), uint64(2*f.streams))
}

// leadTime is from the order to begin to the first message that is due: by then everybody
// sleeps, as before any message that comes in its time.
const leadTime = 20 * time.Millisecond

// flows lets messages flow, all flows at the same time. The first one counts: the others go
// on as long as it does.
func (r *run) flows(fs ...flow) {
	r.Helper()
	for _, f := range fs {
		if f.options.Spin > 0 {
			r.needTwoCores()
		}
	}
	first := fs[0]
	each := (r.n + uint64(max(first.senders, 1)) - 1) / uint64(max(first.senders, 1))
	r.n = each * uint64(max(first.senders, 1))
	lasts := time.Duration(each) * first.every / time.Duration(max(first.batch, 1))
	r.beginFor(lasts)
	r.size = first.size
	stages := make([]*stage, len(fs))
	for i, f := range fs {
		stages[i] = r.stage(f, each, lasts)
	}
	r.ready()
	r.command(stages, 0)
	r.check(work(stages, 0))
	r.answers()
	count := sleepsAndWakes(channelsOf(stages)...)
	start := measure.Now() + int64(leadTime)
	r.command(stages, start)
	before := measure.Spent(count)
	measure.SleepUntil(start)
	r.start()
	err := work(stages, start)
	r.took = time.Duration(measure.Now() - start)
	r.stop()
	r.check(err)
	mine := measure.Spent(count).Minus(before)
	r.load(mine.Plus(r.answers()))
	r.metric(100*mine.CPU.Seconds()/r.took.Seconds(), "receiver-cpu-%")
	for _, s := range stages {
		s.report(r)
	}
	r.dismiss()
}

// load reports what a message and a second have cost, where a run has its own length.
func (r *run) load(s measure.Spending) {
	r.spent(s)
	r.metric(float64(r.took)/float64(r.n), "ns/op")
	if r.size > 0 {
		r.metric(float64(r.size)*float64(r.n)/r.took.Seconds()/1e6, "MB/s")
	}
	r.metric(100*s.CPU.Seconds()/r.took.Seconds(), "cpu-%")
}

// ready waits for the peers and pins this process.
func (r *run) ready() {
	r.Helper()
	for _, c := range r.peers {
		c.Expect("ready")
	}
	unpin, err := measure.Pin(r.core(0))
	r.check(err)
	r.Cleanup(unpin)
	r.before = r.between(0)
}

// command tells every peer its part of the stages.
func (r *run) command(stages []*stage, start int64) {
	r.Helper()
	peers := r.peers
	for _, s := range stages {
		span := s.span(start)
		text, err := json.Marshal(order{From: span.from, To: span.to, Start: start})
		r.check(err)
		for _, c := range peers[:s.senders] {
			c.Say("%s", text)
		}
		peers = peers[s.senders:]
	}
}

// stage creates the channels of a flow and starts its peers.
func (r *run) stage(f flow, each uint64, lasts time.Duration) *stage {
	r.Helper()
	f.senders, f.streams = max(f.senders, 1), max(f.streams, 1)
	s := &stage{flow: f, n: each}
	if f.label != "" {
		s.n = uint64(max(1, lasts/f.every)) * uint64(max(f.batch, 1))
	}
	if f.size > channel.DefaultArenaBytes/2 && f.options.ArenaBytes == 0 {
		s.options.ArenaBytes = roomFor(f.size)
	}
	groups := 1
	if s.options.Kind = channel.MPSC; f.apart || f.senders == 1 {
		s.options.Kind = channel.SPSC
		groups = f.senders
	}
	for g := range groups {
		s.ins = append(s.ins, nil)
		for stream := range f.streams {
			ch := r.create(f.channel(g, stream), s.options)
			s.chs = append(s.chs, ch)
			if f.back {
				continue
			}
			rx, err := ch.TryReceiver()
			r.check(err)
			s.ins[g] = append(s.ins[g], newInlet(rx, s.flow, stream, g, f.senders/groups))
		}
	}
	r.staff(s, groups)
	return s
}

// staff starts the peers of a stage.
func (r *run) staff(s *stage, groups int) {
	r.Helper()
	j := job{Kind: "source", Size: s.size, Batch: s.batch, Spin: s.options.Spin}
	if s.back {
		j.Kind = "sink"
		var txs []*channel.Sender
		for _, ch := range s.chs {
			tx, err := ch.TrySender()
			r.check(err)
			txs = append(txs, tx)
		}
		s.outs = newOutlet(txs, 0, s.size, s.batch)
	}
	for i := range s.senders {
		j.Sender, j.Channels = uint64(i), nil
		for stream := range s.streams {
			j.Channels = append(j.Channels, s.channel(i%groups, stream))
		}
		j.Plan = s.planOf(i, 0)
		r.peer(j)
	}
}

// span is what each sender of a stage sends: to warm up if there is no start yet.
func (s *stage) span(start int64) stretch {
	if start == 0 {
		return stretch{to: s.warm()}
	}
	return stretch{from: s.warm(), to: s.warm() + s.n}
}

func channelsOf(stages []*stage) (chs []*channel.Channel) {
	for _, s := range stages {
		chs = append(chs, s.chs...)
	}
	return chs
}

// work is this process's part of all stages.
func work(stages []*stage, start int64) error {
	var fs []func() error
	for _, s := range stages {
		span := s.span(start)
		if s.back {
			span.plan = s.planOf(0, start)
			if start == 0 {
				span.plan = measure.Plan{}
			}
			fs = append(fs, func() error { return s.outs.send(span) })
			continue
		}
		if s.inTurn {
			fs = append(fs, s.taking(span, start))
			continue
		}
		for _, group := range s.ins {
			for _, in := range group {
				fs = append(fs, s.receiving(in, span, start, len(s.ins)))
			}
		}
	}
	return together(fs...)
}

// receiving is the work of one inlet.
func (s *stage) receiving(in *inlet, span stretch, start int64, groups int) func() error {
	in.warm = span.from
	for sender := range in.plans {
		in.plans[sender] = s.planOf(sender, start)
	}
	_, count := onStream(span, in.stream, in.streams)
	count *= uint64(s.senders / groups)
	return func() error { return in.receive(count) }
}

// taking is the work of one goroutine that takes from the channels of a sender in turn.
func (s *stage) taking(span stretch, start int64) func() error {
	ins := s.ins[0]
	for _, in := range ins {
		s.receiving(in, span, start, len(s.ins))
	}
	return func() error {
		for n := span.from; n < span.to; n++ {
			if err := ins[n%uint64(len(ins))].receive(1); err != nil {
				return err
			}
		}
		return nil
	}
}

// report tells the times of a stage.
func (s *stage) report(r *run) {
	due, sent := measure.NewLatency(), measure.NewLatency()
	for _, group := range s.ins {
		for _, in := range group {
			due.Add(in.due)
			sent.Add(in.sent)
		}
	}
	r.latency(s.label, due)
	for _, p := range sent.Percentiles() {
		if p.Name == "p50" || p.Name == "p99" {
			r.metric(float64(p.NS), s.label+"sent-"+p.Name+"-ns")
		}
	}
}
