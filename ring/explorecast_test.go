//go:build fault

package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"shmring/futex"
	"shmring/internal/layout"
)

// The cast of explored runs: senders, a receiver, its successor, a sealer. They wait as
// a channel does: announce, sample, look again, sleep.

// A stage is what a case is made of.
type stage struct {
	params   layout.Params
	slot     uint64   // where the ring starts
	arena    uint64   // where its arena starts
	plans    [][]plan // what each sender does
	kills    int      // how many may die
	mortal   bool     // senders may die
	reborn   []plan   // what a newcomer on the place of the first sender does
	hold     int      // messages that the receiver holds while it goes on
	takeover bool     // the receiver may die and has a successor
	unseal   bool     // the seal is taken back once
	lateSeal bool     // the seal comes when all senders are through
	puts     int      // so often is one that could go on put off for another; 0: at any time
	scrub    bool     // the receiver begins after the seal, and by a scrub
}

// A plan is one call of a sender.
type plan struct {
	call  string // send, commit, abort or batch
	sizes []int
}

func send(size int) plan           { return plan{"send", []int{size}} }
func commit(size int) plan         { return plan{"commit", []int{size}} }
func abort(size int) plan          { return plan{"abort", []int{size}} }
func sendBatch(sizes ...int) plan  { return plan{"batch", sizes} }
func plans(p ...plan) []plan       { return p }
func messageID(sender, n int) byte { return byte(sender<<4 | n) }

// A cast is the actors of one run and what they know of each other.
type cast struct {
	*world
	stage
	senders   []*senderRole
	receivers []*receiverRole
	sealed    bool // and not unsealed
	lastSeal  bool // the last seal is on
}

type senderRole struct {
	*actor
	p       *Producer
	place   int
	number  int
	acked   []byte
	aborted int // slots that it aborted
	refused []byte
	sent    int // messages that are through
	doing   int // which plan
	todo    int // messages of it that are left
	late    bool
}

type receiverRole struct {
	*actor
	rx        *Consumer
	pos       []uint64 // in hand
	ids       []byte
	got       []byte
	again     []byte // those of got that were said to come again
	released  []byte
	announced bool
	sampled   bool
	ended     bool
}

// newCast builds a run of the stage, in memory that may have been used before.
func newCast(s stage, r *Ring, v *layout.View) *cast {
	clear(v.Slots)
	*v.Control = layout.Control{}
	clear(v.Participants)
	r.Init(s.slot, s.arena)
	c := &cast{world: &world{
		r: r, v: v, kills: s.kills, bound: s.puts > 0, puts: s.puts, last: -1,
	}, stage: s}
	for i, p := range s.plans {
		c.sender(i, layout.PlaceFree+i, p, nil)
	}
	if s.reborn != nil {
		old := c.senders[0]
		c.sender(len(s.plans), old.place, s.reborn, func() bool { return old.dead })
	}
	first := c.receiver("receiver", nil)
	if s.scrub {
		first.after = func() bool { return c.sealed }
	}
	if s.takeover {
		first.mortal = true
		c.receiver("successor", func() bool { return first.dead })
	}
	c.actors = append(c.actors, c.sealer())
	return c
}

// alive is what the lock of a place says.
func (c *cast) alive(place int) bool {
	for _, x := range c.senders {
		if x.place == place && x.started && !x.dead {
			return true
		}
	}
	return false
}

func (c *cast) sealer() *actor {
	round := 0
	a := &actor{name: "sealer", known: func() uint64 { return uint64(round) }}
	if c.lateSeal {
		a.after = c.sent
	}
	a.body = func(*actor) {
		for {
			c.r.Seal()
			c.sealed = true
			c.lastSeal = !c.unseal || round == 1
			c.wakeAll()
			if c.lastSeal {
				return
			}
			round++
			c.sealed = false
			for _, x := range c.senders {
				x.late = false // what comes now may be accepted
			}
			c.r.Unseal()
			c.wakeAll()
		}
	}
	return a
}

// wakeAll wakes everybody, in a step of its own.
func (c *cast) wakeAll() {
	c.point("wake")
	c.v.Control.Data.Seq.Add(1)
	c.v.Control.Space.Seq.Add(1)
	c.point("wake")
}

// sent reports whether all senders are through.
func (c *cast) sent() bool {
	for _, x := range c.senders {
		if !x.over && !x.dead && (x.started || x.after == nil) {
			return false
		}
	}
	return true
}

func (c *cast) sender(number, place int, todo []plan, after func() bool) {
	x := &senderRole{place: place, number: number}
	x.actor = &actor{
		name: fmt.Sprintf("sender %d", number), mortal: c.mortal && after == nil, after: after,
		body: func(*actor) { c.runSender(x, todo) }, known: x.knows,
	}
	c.senders = append(c.senders, x)
	c.actors = append(c.actors, x.actor)
}

// knows hashes what the sender has in its own memory. What it remembers of the tail
// counts only while the tail is still that.
func (x *senderRole) knows() uint64 {
	h := mixText(mixText(uint64(x.sent), x.acked), x.refused)
	h = mix(mix(h, uint64(x.doing)), uint64(x.todo))
	h = mix(h, uint64(x.aborted))
	if x.late {
		h = mix(h, 1)
	}
	if p := x.p; p != nil && p.tail.Load()&^sealBit == p.lastTail {
		h = mix(h, p.cachedHead)
	}
	return h
}

func (c *cast) runSender(x *senderRole, todo []plan) {
	c.v.Participants[x.place].Intent.Store(0) // of a dead predecessor
	x.p = c.r.NewProducer(x.place)
	for i, what := range todo {
		ps := make([][]byte, len(what.sizes))
		for j, n := range what.sizes {
			ps[j] = payload(messageID(x.number, x.sent+j), n)
		}
		for len(ps) > 0 {
			x.doing, x.todo, x.late = i, len(ps), c.sealed
			c.point("send")
			n, done := c.call(x, what.call, ps)
			if done {
				return
			}
			ps = ps[n:]
			x.sent += n
		}
	}
}

// call does one call and returns how many messages are through, and whether there is no
// point in going on.
func (c *cast) call(x *senderRole, how string, ps [][]byte) (int, bool) {
	n, err := c.try(x.p, how, ps)
	switch {
	case err == nil && x.late:
		c.fail(fmt.Errorf("%s: message %d accepted after the seal", x.name, x.sent))
	case err == nil && how == "abort":
		x.aborted++
	case err == nil:
		for _, b := range ps[:n] {
			x.acked = append(x.acked, b[0])
		}
	case errors.Is(err, ErrSealed) && n == 0:
		for _, b := range ps {
			x.refused = append(x.refused, b[0])
		}
		return len(ps), !c.unseal
	case errors.Is(err, ErrFull):
		c.waitRoom(x, len(ps[0]))
	default:
		c.fail(fmt.Errorf("%s: %w", x.name, err))
	}
	return n, false
}

// try does one call and returns how many messages it took.
func (c *cast) try(p *Producer, how string, ps [][]byte) (int, error) {
	switch how {
	case "send":
		if err := p.Send(ps[0]); err != nil {
			return 0, err
		}
		return 1, nil
	case "batch":
		return p.SendBatch(ps)
	}
	buf, err := p.Reserve(len(ps[0]))
	if err != nil {
		return 0, err
	}
	if how == "abort" {
		for i := range buf {
			buf[i] = 0xee
		}
		p.Abort()
		return 1, nil
	}
	copy(buf, ps[0])
	return 1, p.Commit(len(buf))
}

func (c *cast) waitRoom(x *senderRole, size int) {
	e := &c.v.Control.Space
	c.point("announce")
	futex.Announce(e, x.place)
	for {
		c.point("sample")
		x.take(&e.Seq)
		c.point("room")
		if err := x.p.Room(size); !errors.Is(err, ErrFull) {
			break
		}
		x.sleep(c.world)
	}
	futex.Withdraw(e, x.place)
}

func (c *cast) receiver(name string, after func() bool) *receiverRole {
	x := &receiverRole{}
	x.actor = &actor{
		name: name, after: after, body: func(*actor) { c.runReceiver(x) }, known: x.knows,
		front: func() uint64 {
			if x.rx == nil {
				return 0
			}
			return x.rx.cell(x.rx.next).commit().Load()
		},
	}
	c.receivers = append(c.receivers, x)
	c.actors = append(c.actors, x.actor)
	return x
}

// knows hashes what the receiver has in its own memory.
func (x *receiverRole) knows() uint64 {
	h := mixText(mixText(mixText(0, x.got), x.again), x.released)
	for _, b := range []bool{x.announced, x.sampled, x.ended} {
		h <<= 1
		if b {
			h |= 1
		}
	}
	c := x.rx
	if c == nil {
		return h
	}
	for _, n := range []uint64{
		uint64(c.next), uint64(c.head), uint64(c.published), uint64(c.pubArena),
		uint64(c.arenaHead), uint64(c.arenaNext), uint64(c.redeliver), uint64(c.aborted),
		uint64(c.remembered.pos), uint64(c.remembered.arena), uint64(c.skipped),
	} {
		h = mix(h, n)
	}
	for _, f := range c.found {
		h = mix(h, uint64(f))
	}
	return h
}

func (c *cast) runReceiver(x *receiverRole) {
	e := &c.v.Control.Data
	redeliver := uint64(0)
	if x != c.receivers[0] {
		redeliver = c.v.Control.Tail.V.Load()
		futex.Withdraw(e, layout.PlaceReceiver)
	}
	rx, err := c.r.NewConsumer(redeliver)
	if err != nil {
		c.fail(err)
		return
	}
	x.rx = rx
	if c.scrub {
		c.point("scrub")
		if n, err := rx.Scrub(); n != 0 || err != nil {
			c.fail(fmt.Errorf("scrub of a healthy ring: %d, %w", n, err))
			return
		}
	}
	for {
		c.point("next")
		var it Item
		err := rx.Next(&it)
		x.hole = errors.Is(err, ErrHole)
		switch {
		case err == nil:
			x.sliced = false
			c.received(x, &it)
			continue
		case errors.Is(err, ErrEnd) && c.lastSeal:
			c.releaseAll(x)
			x.ended = true
			return
		case x.hole:
			c.point("skip")
			owner, err := rx.Skip(c.alive)
			if err != nil {
				c.fail(err)
			}
			if owner < 0 {
				x.sliced = false
				continue
			}
		case errors.Is(err, ErrEmpty), errors.Is(err, ErrEnd) && c.unseal:
		default:
			c.fail(err)
			return
		}
		c.releaseAll(x)
		c.doze(x)
	}
}

// doze is one stage of falling asleep; after each the receiver looks again.
func (c *cast) doze(x *receiverRole) {
	e := &c.v.Control.Data
	if !x.announced {
		c.point("announce")
		futex.Announce(e, layout.PlaceReceiver)
		x.announced = true
	}
	if x.sampled {
		x.sleep(c.world)
	}
	c.point("sample")
	x.take(&e.Seq)
	x.sampled = true
}

func (c *cast) received(x *receiverRole, it *Item) {
	if len(it.Bytes) == 0 || !slices.Equal(it.Bytes, payload(it.Bytes[0], len(it.Bytes))) {
		c.fail(fmt.Errorf("%s received %x, which nobody sent", x.name, it.Bytes))
		return
	}
	x.got = append(x.got, it.Bytes[0])
	if it.Redelivered {
		x.again = append(x.again, it.Bytes[0])
	}
	x.pos, x.ids = append(x.pos, it.Pos), append(x.ids, it.Bytes[0])
	if len(x.pos) > c.hold {
		c.release(x, 0)
	}
	if x.announced {
		futex.Withdraw(&c.v.Control.Data, layout.PlaceReceiver)
		x.announced, x.sampled = false, false
	}
}

// release gives one of the messages in hand back.
func (c *cast) release(x *receiverRole, i int) {
	id := x.ids[i]
	pos := x.pos[i]
	x.pos, x.ids = slices.Delete(x.pos, i, i+1), slices.Delete(x.ids, i, i+1)
	if !x.rx.Release(pos) {
		c.fail(fmt.Errorf("%s could not release message %x", x.name, id))
	}
	x.released = append(x.released, id)
}

// releaseAll gives them back, the last one first.
func (c *cast) releaseAll(x *receiverRole) {
	for len(x.pos) > 0 {
		c.release(x, len(x.pos)-1)
	}
}

// payload returns the content of a message.
func payload(id byte, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = id
	}
	if size >= 8 {
		binary.LittleEndian.PutUint32(b[4:], uint32(size)*uint32(id))
	}
	return b
}
