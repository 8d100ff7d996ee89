package channel

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"shmring/futex"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/ring"
	"shmring/shm"
	"shmring/state"
)

// A Channel is one attachment: one open file description, one mapping. Its methods
// may be called concurrently. It stays mapped until it is closed and every lease
// and message taken from it has been given back.
type Channel struct {
	name     string
	seg      *shm.Segment
	view     *layout.View
	ctl      *layout.Control
	ring     *ring.Ring
	state    *state.Machine
	opts     OpenOptions
	places   int
	replaced string
	token    *race.Token
	self     shm.Self

	// Where to sleep. The addresses are taken once: taking one through ctl touches memory
	// that may be gone by then.
	dataEvent, spaceEvent, stateEvent *layout.Event
	dataWord, spaceWord, stateWord    *atomic.Uint32

	data  *futex.Sleepers // our sleepers on the data event
	space *futex.Sleepers

	orphaned   atomic.Bool
	noInotify  atomic.Bool // deaths are found by looking in slices
	stopNotify func()

	mu       sync.Mutex
	closed   bool
	refs     int // the channel itself, open handles, running control calls
	senders  map[*Sender]struct{}
	receiver *Receiver
	detached error
}

// newChannel takes over seg, which is open and, unless read-only, holds the shared
// byte. On error the caller still owns seg.
func newChannel(seg *shm.Segment, o OpenOptions) (*Channel, error) {
	if err := checkKind(seg, layout.KindChannel); err != nil {
		return nil, err
	}
	var ch *Channel
	err := seg.Guard(func() error { ch = newAttachment(seg, o); return nil })
	return ch, err
}

// newAttachment is newChannel for a segment of any kind: an event uses all of a Channel
// but its ring.
func newAttachment(seg *shm.Segment, o OpenOptions) *Channel {
	v := seg.View()
	ch := &Channel{
		name: seg.Name(), seg: seg, view: v, ctl: v.Control, ring: ring.New(v),
		state: state.New(v.Control), opts: o, places: int(v.MaxParticipants),
		token: race.For(seg.Instance(), seg.ReadOnly()), self: shm.Myself(), refs: 1,
		senders: make(map[*Sender]struct{}),
	}
	ch.dataEvent, ch.dataWord = &ch.ctl.Data, &ch.ctl.Data.Seq
	ch.spaceEvent, ch.spaceWord = &ch.ctl.Space, &ch.ctl.Space.Seq
	ch.stateEvent, ch.stateWord = &ch.ctl.StateEvent, &ch.ctl.StateEvent.Seq
	ch.token.Acquire(race.Control)
	if !seg.ReadOnly() {
		ch.data = futex.NewSleepers(ch.dataEvent, ch.places)
		ch.space = futex.NewSleepers(ch.spaceEvent, ch.places)
	}
	return ch
}

// start begins to listen for deaths and looks once: whoever died before us is
// settled by the next who attaches.
func (ch *Channel) start() {
	if ch.seg.ReadOnly() {
		return
	}
	stop, err := ch.seg.Notify(ch.onNotice)
	if err != nil {
		ch.noInotify.Store(true)
		ch.logWarn("no death notices, looking every 100 ms instead", err)
	} else {
		ch.stopNotify = stop
	}
	ch.look(false)
}

// enter keeps the mapping alive for a call that is not a handle's.
func (ch *Channel) enter() error {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.closed {
		return ErrClosed
	}
	ch.refs++
	return nil
}

// leave ends what enter began. Whoever ends the last use of a closed channel
// detaches it.
func (ch *Channel) leave() {
	ch.mu.Lock()
	ch.refs--
	last := ch.refs == 0
	ch.mu.Unlock()
	if last {
		ch.detach()
	}
}

// Close detaches: it closes every handle of this attachment, wakes their running
// calls and waits for those. It does not seal the channel and does not touch other
// attachments. Messages and leases still held stay valid; whoever gives back the
// last one completes the close. A second Close returns ErrClosed.
func (ch *Channel) Close() error {
	ch.mu.Lock()
	if ch.closed {
		ch.mu.Unlock()
		return ch.closedError("close")
	}
	ch.closed = true
	rx := ch.receiver
	txs := make([]*Sender, 0, len(ch.senders))
	for tx := range ch.senders {
		txs = append(txs, tx)
	}
	ch.mu.Unlock()
	if ch.stopNotify != nil {
		ch.stopNotify()
	}
	// All at once: a call may have the turn of one handle and wait for that of another.
	var closing sync.WaitGroup
	for _, tx := range txs {
		closing.Go(func() { _ = tx.Close() }) // closed by its owner meanwhile: fine
	}
	if rx != nil {
		_ = rx.Close() // likewise
	}
	closing.Wait()
	if !ch.seg.ReadOnly() {
		ch.try(ch.state.WakeAll) // drains and watchers of ours see closed
	}
	ch.leave()
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.detached
}

// closedError is for calls on a closed channel, whose memory must not be read.
func (ch *Channel) closedError(op string) error {
	return &OpError{Op: op, Name: ch.name, Err: ErrClosed}
}

// detachTimeout bounds the wait for the control lock when leaving: past it the
// descriptor is closed plainly and gc does the rest.
const detachTimeout = time.Second

func (ch *Channel) detach() {
	ctx, cancel := context.WithTimeout(context.Background(), detachTimeout)
	defer cancel()
	err := ch.seg.Detach(ctx, ch.lastOut)
	ch.mu.Lock()
	ch.detached = openError("close", ch.name, err)
	ch.mu.Unlock()
	if err != nil {
		ch.logWarn("detach", err)
	}
}

// lastOut decides, under the control lock and with nobody else attached, whether
// the file goes.
func (ch *Channel) lastOut() bool {
	if ch.view.Options&layout.OptPersistent != 0 {
		return false
	}
	n, err := unread(ch.view)
	return err == nil && n == 0
}

// isClosed reports whether Close was called.
func (ch *Channel) isClosed() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.closed
}

// Name returns the channel's name; empty if it is nameless.
func (ch *Channel) Name() string { return ch.name }

// Path returns the path of the segment's file; empty if it is nameless.
func (ch *Channel) Path() string { return ch.seg.Path() }

// Instance returns the random identity of the segment: a recreated channel of the
// same name has another one.
func (ch *Channel) Instance() [16]byte { return ch.seg.Instance() }

// Size returns how many bytes of shared memory the channel has, all of them reserved.
func (ch *Channel) Size() int { return int(ch.view.TotalSize) }

// MaxMessage returns the largest payload in bytes.
func (ch *Channel) MaxMessage() int { return ch.view.MaxMessage() }

// Replaced says why OpenOrCreate replaced an existing segment; empty if it did not.
func (ch *Channel) Replaced() string { return ch.replaced }

// Options returns the choices the channel was created with.
func (ch *Channel) Options() Options {
	g := ch.view.Geometry
	o := Options{
		Slots: int(g.SlotCount), SlotSize: int(g.SlotSize), ArenaBytes: int(g.ArenaSize),
		MaxParticipants: int(g.MaxParticipants),
		Checksums:       g.Options&layout.OptChecksums != 0,
		Timestamps:      g.Options&layout.OptTimestamps != 0,
		Nameless:        g.Options&layout.OptNameless != 0,
		OpenOptions:     ch.opts,
	}
	if g.RingKind == layout.RingSPSC {
		o.Kind = SPSC
	}
	if g.ArenaSize == 0 {
		o.ArenaBytes = NoArena
	}
	if g.Options&layout.OptPersistent != 0 {
		o.Lifetime = Persistent
	}
	return o
}

// File returns a new open description of the segment, for handing a nameless
// channel to a child process, which passes it to OpenFile. It is never a duplicate:
// a shared description would keep its dead alive. The caller closes it.
func (ch *Channel) File() (*os.File, error) {
	if err := ch.enter(); err != nil {
		return nil, ch.closedError("file")
	}
	defer ch.leave()
	f, err := ch.seg.File()
	return f, ch.fail("file", err)
}

// lastState returns the state for an error text, zero if the memory may be gone. The
// mutex keeps the last reference from going while it looks.
func (ch *Channel) lastState() state.State {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.refs == 0 {
		return 0
	}
	var s state.State
	_ = ch.guard(func() error { s = ch.state.Load().State(); return nil }) // zero: not known
	ch.token.Acquire(race.Control)
	return s
}

func (ch *Channel) actor(role layout.Role) state.Actor {
	return state.Actor{
		PID: ch.self.PID, Role: role, PIDNS: ch.self.PIDNS, Start: ch.self.Start,
		Comm: ch.self.Comm,
	}
}

func (ch *Channel) logWarn(msg string, err error) {
	if ch.opts.Logger != nil && !errors.Is(err, context.Canceled) {
		ch.opts.Logger.Warn("shmring: "+msg, "channel", ch.name, "error", err)
	}
}
