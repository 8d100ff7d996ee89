package history

import "math"

// A Run is everything that happened to one channel.
type Run struct {
	Lane      uint8
	Senders   [][]Op // the lives of senders, in any order
	Receivers [][]Op // the lives of receivers, one after the other
	Closers   [][]Op // whoever sealed the channel, if nobody took a seal back

	// Ended says that a receiver lived to the end, so that nothing may be missing.
	Ended bool
	// Discarded is how many messages a forced close may have given up, by its own count,
	// and Counted how many of them it is sure of.
	Discarded, Counted int
}

// never is when something ends that did not.
const never = math.MaxInt64

// fate is what may become of a message.
type fate uint8

const (
	unsent   fate = iota
	maybe         // its sender was killed
	accepted      // must be delivered
	refused       // must not be
	aborted       // must not be
)

// A message is what is known of one message.
type message struct {
	begin, stop int64
	fate        fate
	taken       bool   // by a Take that ended
	receiver    uint32 // who had it last, from 1; 0: nobody
}

// A checker goes through a run once.
type checker struct {
	Verdict
	run     *Run
	streams map[int][]message
	last    map[int]int // number of the last message that came for the first time

	newest   int64 // begin of the latest begun message that was delivered
	firstKey Key   // that message
	ended    int64 // when the end was told first
	sealed   int64 // when a seal was acknowledged first
	gone     []bool

	shortSent, shortMaybe, shortSeen, shortAgain int

	open int // Takes that were not ended: each may have taken a message with it
}

// Check goes through a run in time linear in its length.
func Check(run *Run) Verdict {
	c := &checker{
		run: run, streams: make(map[int][]message), last: make(map[int]int),
		newest: math.MinInt64, ended: never, sealed: never,
		gone: make([]bool, len(run.Receivers)+1),
	}
	for _, ops := range run.Closers {
		for _, op := range ops {
			if op.Kind == Seal && op.Outcome == OK && op.Lane == run.Lane {
				c.sealed = min(c.sealed, op.Stop)
			}
		}
	}
	for _, ops := range run.Senders {
		for _, op := range ops {
			if op.Lane == run.Lane {
				c.sent(op)
			}
		}
	}
	for i, ops := range run.Receivers {
		c.receiver(uint32(i+1), ops)
	}
	c.missing()
	return c.Verdict
}

// sent notes the messages of an operation of a sender.
func (c *checker) sent(op Op) {
	if op.Kind != Send && op.Kind != Abort {
		return
	}
	stream := c.streams[op.Key.Stream()]
	for n := range op.N {
		m := message{begin: op.Begin, stop: op.Stop}
		switch {
		case op.Kind == Abort:
			m.fate = aborted
		case op.Outcome == Pending:
			m.fate, m.stop = maybe, never
		case n < op.Done:
			m.fate = accepted
		default:
			m.fate = refused
		}
		if op.Has(Short) {
			c.countShort(m.fate)
			continue
		}
		seq := op.Key.Seq() + n
		for len(stream) <= seq {
			stream = append(stream, message{})
		}
		stream[seq] = m
	}
	c.streams[op.Key.Stream()] = stream
	if op.Kind == Send && op.Done > 0 && op.Begin > c.sealed {
		c.found(&c.Unsealed, "message %v was accepted by a call after the seal", op.Key)
	}
}

func (c *checker) countShort(f fate) {
	switch f {
	case accepted:
		c.shortSent++
	case maybe:
		c.shortMaybe++
	case unsent, refused, aborted:
	}
}

// receiver goes through the life of a receiver.
func (c *checker) receiver(who uint32, ops []Op) {
	over := c.ended != never // a receiver before saw the end: nothing new can come
	last := make(map[int]int)
	for _, op := range ops {
		if op.Lane != c.run.Lane {
			continue
		}
		switch {
		case op.Kind == Take && op.Outcome == Pending:
			c.open++
		case op.Kind == End && op.Outcome == OK:
			c.ended = min(c.ended, op.Stop)
			over = true
		case op.Kind == Leave && op.Outcome == OK:
			c.gone[who] = true
		case (op.Kind == Recv || op.Kind == Take) && op.Outcome == OK:
			c.delivered(who, op, last, over)
		}
	}
}

// delivered checks one delivery.
func (c *checker) delivered(who uint32, op Op, last map[int]int, over bool) {
	if op.Has(Torn) {
		c.found(&c.Torn, "receiver %d got a torn message %v", who, op.Key)
		return
	}
	if op.Has(Short) {
		c.shortDelivered(op)
		return
	}
	stream := c.streams[op.Key.Stream()]
	seq := op.Key.Seq()
	if seq >= len(stream) || stream[seq].fate == unsent {
		c.found(&c.Phantom, "receiver %d got %v, which was never sent", who, op.Key)
		return
	}
	m := &stream[seq]
	switch {
	case m.fate == refused:
		c.found(&c.Unsealed, "receiver %d got %v, which was refused", who, op.Key)
	case m.fate == aborted:
		c.found(&c.Phantom, "receiver %d got %v, which was aborted", who, op.Key)
	case op.Stop < m.begin:
		c.found(&c.Phantom, "receiver %d got %v before it was sent", who, op.Key)
	}
	before, again := last[op.Key.Stream()]
	if again && m.receiver != who && seq <= before {
		c.found(&c.Misordered, "receiver %d got %v after number %d", who, op.Key, before)
	}
	last[op.Key.Stream()] = max(before, seq)
	if m.receiver == 0 {
		c.first(who, op, m, over)
	} else {
		c.again(who, op, m)
	}
	m.receiver = who
	m.taken = m.taken || op.Kind == Take
}

// first checks a message that comes for the first time.
func (c *checker) first(who uint32, op Op, m *message, over bool) {
	c.Messages++
	seq := op.Key.Seq()
	if before, ok := c.last[op.Key.Stream()]; ok && seq <= before {
		c.found(&c.Misordered, "receiver %d got %v for the first time after number %d",
			who, op.Key, before)
	}
	c.last[op.Key.Stream()] = seq
	if m.stop < c.newest {
		c.found(&c.Misordered, "receiver %d got %v after %v, which was begun %d ns after the "+
			"first was acknowledged", who, op.Key, c.firstKey, c.newest-m.stop)
	}
	if m.begin > c.newest {
		c.newest, c.firstKey = m.begin, op.Key
	}
	if over {
		c.found(&c.Unsealed, "receiver %d got %v after the end", who, op.Key)
	}
}

// again checks a message that came before.
func (c *checker) again(who uint32, op Op, m *message) {
	switch {
	case m.receiver == who:
		c.found(&c.Duplicated, "receiver %d got %v twice", who, op.Key)
	case !op.Has(Again):
		c.found(&c.Duplicated, "receiver %d got %v after receiver %d, unmarked",
			who, op.Key, m.receiver)
	case m.taken:
		c.found(&c.Duplicated, "receiver %d got %v, which receiver %d had taken for good",
			who, op.Key, m.receiver)
	case c.gone[m.receiver]:
		c.found(&c.Duplicated, "receiver %d got %v, which receiver %d had released before it left",
			who, op.Key, m.receiver)
	default:
		c.Redelivered++
	}
}

func (c *checker) shortDelivered(op Op) {
	if op.Has(Again) {
		c.shortAgain++
	} else {
		c.shortSeen++
	}
}

// missing checks what was not delivered, and that nothing was accepted after the end.
func (c *checker) missing() {
	absent := 0
	var example Key
	for id, stream := range c.streams {
		for seq := range stream {
			m := &stream[seq]
			if m.fate == accepted && m.begin > c.ended {
				c.found(&c.Unsealed, "message %d/%d was accepted after the end was told", id, seq)
			}
			switch {
			case m.receiver != 0:
			case m.fate == maybe:
				c.Maybe++
			case m.fate == accepted:
				absent++
				example = MakeKey(id, seq)
			}
		}
	}
	c.Short = c.shortSeen + c.shortAgain
	if c.shortSeen > c.shortSent+c.shortMaybe {
		c.found(&c.Phantom, "%d short messages came, of %d", c.shortSeen, c.shortSent+c.shortMaybe)
	}
	absent += max(0, c.shortSent-c.Short)
	if c.run.Counted > absent+c.Maybe+c.shortMaybe+c.Short {
		c.found(&c.Phantom, "%d messages were counted as discarded, but %d are missing",
			c.run.Counted, absent)
	}
	if !c.run.Ended {
		return
	}
	c.Discarded = min(absent, c.run.Discarded)
	if lost := absent - c.open - c.run.Discarded; lost > 0 {
		c.found(&c.Lost, "%d accepted messages are missing, %v among them; %d receivers were "+
			"killed in a Take, %d were discarded", absent, example, c.open, c.run.Discarded)
		c.Lost += lost - 1
	}
}
