package manager

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"shmring/channel"
	"shmring/shm"
	"shmring/state"
)

// OpMetrics count the operations of one kind that went through this Manager.
type OpMetrics struct {
	Ops      uint64
	Errors   uint64 // neither succeeded nor met the end of the channel
	Retries  uint64 // attempts after the first
	Messages uint64
	Latency  Latency
}

// ChannelMetrics are what is known of one channel: by its segment, of all processes, and by
// this Manager, of its own operations. Counters only grow while the segment lives.
type ChannelMetrics struct {
	Name  string
	State state.State

	Depth, Slots            uint64
	ArenaUsed, ArenaBytes   uint64
	Sent, SentBytes         uint64
	Received, ReceivedBytes uint64
	Holes, Aborted          uint64
	Discarded, Corrupt      uint64
	Deaths                  int // in the log, which holds the last 16
	Senders, Receivers      int // living

	Waits, Parks, Wakes uint64 // of the participants that live

	SendRate, RecvRate float64 // messages a second since the Metrics call before; else zero
	Mapped             uint64  // bytes of the segment, if this process has it open

	Ops [opKinds]OpMetrics // by OpKind
}

// QueueMetrics are what is known of a tracked queue.
type QueueMetrics struct {
	Name            string
	Depth, Capacity uint64
	In, Out         uint64
}

// Metrics are a snapshot.
type Metrics struct {
	At       time.Time
	Channels []ChannelMetrics // by name
	Queues   []QueueMetrics   // by name
	Total    ChannelMetrics   // sums over the channels; without a name, a state, latencies
	CPU      time.Duration    // processor time of this process since its start
}

// Metrics takes a snapshot of everything that is registered and tracked. A channel that this
// process has not opened is looked at read-only, and left out if it does not exist or cannot
// be looked at. The snapshot may be kept; dst, if not nil, is one that is no longer needed,
// whose memory is used again.
func (m *Manager) Metrics(ctx context.Context, dst *Metrics) (*Metrics, error) {
	if dst == nil {
		dst = new(Metrics)
	}
	*dst = Metrics{At: time.Now(), Channels: dst.Channels[:0], Queues: dst.Queues[:0]}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return dst, errClosed
	}
	channels := slices.Collect(maps.Values(m.channels))
	tracked := maps.Clone(m.tracked)
	m.mu.Unlock()
	for name, q := range tracked { // its functions are the caller's: they may call us, or panic
		qm := QueueMetrics{Name: name}
		qm.Depth, qm.Capacity = q.Depth()
		if q.Counts != nil {
			qm.In, qm.Out = q.Counts()
		}
		dst.Queues = append(dst.Queues, qm)
	}
	for _, c := range channels {
		err := m.look(ctx, c.name, func(ch *channel.Channel) error {
			dst.Channels = append(dst.Channels, ChannelMetrics{Name: c.name})
			c.measure(ch, dst.At, &dst.Channels[len(dst.Channels)-1])
			return nil
		})
		if err != nil && ctx.Err() != nil {
			return dst, context.Cause(ctx)
		}
	}
	slices.SortFunc(dst.Channels, func(a, b ChannelMetrics) int {
		return strings.Compare(a.Name, b.Name)
	})
	slices.SortFunc(dst.Queues, func(a, b QueueMetrics) int {
		return strings.Compare(a.Name, b.Name)
	})
	for i := range dst.Channels {
		dst.Total.add(&dst.Channels[i])
	}
	dst.CPU = shm.CPUTime()
	return dst, nil
}

// measure fills in what is known of a channel.
func (c *Channel) measure(ch *channel.Channel, at time.Time, out *ChannelMetrics) {
	s := ch.Stats()
	out.State = s.State
	out.Depth, out.Slots = s.Depth, s.Slots
	out.ArenaUsed, out.ArenaBytes = s.ArenaUsed, s.ArenaBytes
	out.Sent, out.SentBytes = s.Sent, s.SentBytes
	out.Received, out.ReceivedBytes = s.Received, s.ReceivedBytes
	out.Holes, out.Aborted, out.Discarded, out.Corrupt = s.Holes, s.Aborted, s.Discarded, s.Corrupt
	out.Deaths, out.Senders, out.Receivers = len(s.Deaths), s.Senders, s.Receivers
	for _, p := range ch.Participants() {
		out.Waits += p.Waits
		out.Parks += p.Parks
		out.Wakes += p.Wakes
	}
	if c.raw.Load() == ch {
		out.Mapped = uint64(ch.Size())
	}
	for kind := range c.counts.kinds {
		k := &c.counts.kinds[kind]
		out.Ops[kind] = OpMetrics{
			Ops: k.ops.Load(), Errors: k.errors.Load(), Retries: k.retries.Load(),
			Messages: k.messages.Load(), Latency: k.latency.read(),
		}
	}
	c.rates.apply(at, out)
}

// rates remembers the counters of the Metrics call before.
type rates struct {
	mu             sync.Mutex
	at             time.Time
	sent, received uint64
}

func (r *rates) apply(at time.Time, out *ChannelMetrics) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gap := at.Sub(r.at)
	if gap < minGap {
		return
	}
	if !r.at.IsZero() && out.Sent >= r.sent && out.Received >= r.received {
		out.SendRate = float64(out.Sent-r.sent) / gap.Seconds()
		out.RecvRate = float64(out.Received-r.received) / gap.Seconds()
	}
	r.at, r.sent, r.received = at, out.Sent, out.Received
}

// add sums up.
func (c *ChannelMetrics) add(more *ChannelMetrics) {
	for _, sum := range []struct {
		to   *uint64
		from uint64
	}{
		{&c.Depth, more.Depth},
		{&c.Slots, more.Slots},
		{&c.ArenaUsed, more.ArenaUsed},
		{&c.ArenaBytes, more.ArenaBytes},
		{&c.Sent, more.Sent},
		{&c.SentBytes, more.SentBytes},
		{&c.Received, more.Received},
		{&c.ReceivedBytes, more.ReceivedBytes},
		{&c.Holes, more.Holes},
		{&c.Aborted, more.Aborted},
		{&c.Discarded, more.Discarded},
		{&c.Corrupt, more.Corrupt},
		{&c.Waits, more.Waits},
		{&c.Parks, more.Parks},
		{&c.Wakes, more.Wakes},
		{&c.Mapped, more.Mapped},
	} {
		*sum.to += sum.from
	}
	c.Deaths += more.Deaths
	c.Senders += more.Senders
	c.Receivers += more.Receivers
	c.SendRate += more.SendRate
	c.RecvRate += more.RecvRate
	for kind := range more.Ops {
		to, from := &c.Ops[kind], &more.Ops[kind]
		to.Ops += from.Ops
		to.Errors += from.Errors
		to.Retries += from.Retries
		to.Messages += from.Messages
	}
}

// Operations iterates over the kinds of operation that happened at all.
func (c *ChannelMetrics) Operations() iter.Seq2[OpKind, *OpMetrics] {
	return func(yield func(OpKind, *OpMetrics) bool) {
		for kind := range c.Ops {
			if c.Ops[kind].Ops > 0 && !yield(OpKind(kind), &c.Ops[kind]) {
				return
			}
		}
	}
}
