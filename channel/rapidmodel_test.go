package channel_test

import (
	"errors"
	"fmt"
	"io"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/state"
)

// errDiscarded stands for whatever DiscardedError a receiver gets.
var errDiscarded = errors.New("discarded")

// A modelSlot is one slot that was ever reserved.
type modelSlot struct {
	open, aborted bool // else it holds a message
	freed         bool // released, or passed because aborted
	data          []byte
	start, end    int // arena units reserved before it, and with it
}

// A model is the slow obvious channel: a slice of every slot there ever was. Only how far the
// head is published it takes from the channel, whose choice that is within limits.
type model struct {
	slotCount, inline, units, most int
	persistent                     bool

	slots     []modelSlot
	next      int // slot to be received next
	head      int // slots published
	arenaHead int // arena units published
	state     state.State
	forced    bool
	discarded bool // somebody has counted and dropped the rest
	published bool // the last call has published all that it could

	sent, sentBytes, received, receivedBytes int
	aborted, dropped, undelivered            int
}

func newModel(ch *channel.Channel) *model {
	v := ch.View()
	return &model{
		slotCount: int(v.SlotCount), inline: int(v.InlineMax), units: int(v.ArenaUnits),
		most: v.MaxMessage(), persistent: v.Options&layout.OptPersistent != 0,
		state: state.Active,
	}
}

func (m *model) tailUnits() int {
	if len(m.slots) == 0 {
		return 0
	}
	return m.slots[len(m.slots)-1].end
}

func (m *model) unitsOf(n int) int {
	if n <= m.inline {
		return 0
	}
	return (n + layout.ArenaUnit - 1) / layout.ArenaUnit
}

// pad returns how many units a run skips before the arena's end.
func (m *model) pad(units int) int {
	if units == 0 {
		return 0
	}
	if at := m.tailUnits() % m.units; at+units > m.units {
		return m.units - at
	}
	return 0
}

// refusal returns the error that reserving n slots with units must give.
func (m *model) refusal(n, units int) error {
	switch {
	case units > m.units/2:
		return channel.ErrTooBig
	case m.state == state.Draining:
		return channel.ErrDraining
	case m.state != state.Active:
		return channel.ErrClosed
	case len(m.slots)-m.head+n > m.slotCount,
		units > 0 && m.tailUnits()-m.arenaHead+m.pad(units)+units > m.units:
		return channel.ErrFull
	}
	return nil
}

// push notes a reservation of one slot.
func (m *model) push(data []byte, open bool, pad int) {
	start := m.tailUnits()
	m.slots = append(m.slots, modelSlot{
		open: open, data: data, start: start, end: start + pad + m.unitsOf(len(data)),
	})
	if !open {
		m.count(len(data))
	}
}

func (m *model) count(n int) {
	m.sent++
	m.sentBytes += n
}

// sendBatch notes what a batch that never waits must do.
func (m *model) sendBatch(ps [][]byte) (int, error) {
	sent := 0
	for sent < len(ps) {
		n, units := 0, 0
		var why error
		for sent+n < len(ps) {
			u := m.unitsOf(len(ps[sent+n]))
			if why = m.refusal(n+1, units+u); why != nil {
				break
			}
			n, units = n+1, units+u
		}
		if n == 0 {
			if sent > 0 && errors.Is(why, channel.ErrFull) {
				return sent, nil
			}
			return sent, why
		}
		pad := m.pad(units)
		for _, b := range ps[sent : sent+n] {
			m.push(b, false, min(pad, pad*m.unitsOf(len(b))))
			if m.unitsOf(len(b)) > 0 {
				pad = 0 // once, before the whole run
			}
		}
		sent += n
	}
	return sent, nil
}

// pass moves the next position over aborted slots.
func (m *model) pass() {
	for m.next < len(m.slots) && m.slots[m.next].aborted {
		m.slots[m.next].freed = true
		m.next++
		m.aborted++
	}
}

// ready reports whether there is a message behind what is aborted.
func (m *model) ready() bool {
	for _, s := range m.slots[m.next:] {
		if !s.aborted {
			return !s.open
		}
	}
	return false
}

// front says what a receiver that has nothing kept finds: nil is a message.
func (m *model) front() error {
	if m.forced {
		return errDiscarded
	}
	m.pass()
	m.published = false
	switch {
	case m.next < len(m.slots) && m.slots[m.next].open:
		m.published = true
		return channel.ErrEmpty
	case m.next < len(m.slots):
		return nil
	case m.state == state.Active:
		m.published = true
		return channel.ErrEmpty
	case m.state == state.Draining:
		m.state = state.Closing
	}
	m.published = true
	return io.EOF
}

// free notes a release.
func (m *model) free(i int) {
	m.slots[i].freed = true
	m.received++
	m.receivedBytes += len(m.slots[i].data)
}

// rest counts what is behind the given slot.
func (m *model) rest(from int) (full, open int) {
	for _, s := range m.slots[from:] {
		switch {
		case s.open:
			open++
		case !s.aborted && !s.freed:
			full++
		}
	}
	return full, open
}

// discard drops what is behind the given slot.
func (m *model) discard(from int) (full int) {
	full, open := m.rest(from)
	if from < len(m.slots) {
		m.dropped, m.undelivered = full, open
	}
	m.next, m.head, m.arenaHead, m.discarded = len(m.slots), len(m.slots), m.tailUnits(), true
	return full
}

// prefix returns how many slots are released in front.
func (m *model) prefix() int {
	n := m.head
	for n < len(m.slots) && m.slots[n].freed {
		n++
	}
	return n
}

// readHead takes the published head from a channel and checks it against the slots.
func (m *model) readHead(s channel.Stats, receiver bool) error {
	head := len(m.slots) - int(s.Depth)
	arena := m.tailUnits() - int(s.ArenaUsed)/layout.ArenaUnit
	if m.discarded {
		if s.Depth != 0 || s.ArenaUsed != 0 {
			return fmt.Errorf("%d slots and %d bytes left after the rest was discarded",
				s.Depth, s.ArenaUsed)
		}
		return nil
	}
	released := m.prefix()
	safe := m.tailUnits()
	if released < len(m.slots) {
		safe = m.slots[released].start
	}
	switch {
	case head < m.head || arena < m.arenaHead:
		return fmt.Errorf("head %d, arena head %d went back from %d, %d",
			head, arena, m.head, m.arenaHead)
	case head > released:
		return fmt.Errorf("head %d beyond what is released, %d", head, released)
	case arena > safe:
		return fmt.Errorf("arena head %d beyond what is released, %d", arena, safe)
	case released-head >= max(1, min(32, m.slotCount/8)):
		return fmt.Errorf("head %d too far behind what is released, %d", head, released)
	case (m.published || !receiver) && head != released:
		return fmt.Errorf("head %d, and all that is released, %d, had to be published",
			head, released)
	}
	m.head, m.arenaHead = head, arena
	return nil
}

// compare checks the counters. exact says that nobody has counts that others do not see.
func (m *model) compare(s channel.Stats, senders int, receiver, exact bool) error {
	if err := m.readHead(s, receiver); err != nil {
		return err
	}
	lag, back := 0, 0 // of messages that are not in the counters yet
	if !exact {
		lag, back = 63*senders, 63
	}
	within := func(name string, got uint64, want, lag int) error {
		if int(got) > want || int(got) < want-lag {
			return fmt.Errorf("%s: %d, want %d or up to %d less", name, got, want, lag)
		}
		return nil
	}
	living := 0
	if receiver {
		living = 1
	}
	err := errors.Join(
		within("sent", s.Sent, m.sent, lag),
		within("sent bytes", s.SentBytes, m.sentBytes, lag*m.most),
		within("received", s.Received, m.received, back),
		within("received bytes", s.ReceivedBytes, m.receivedBytes, back*m.most),
		within("aborted", s.Aborted, m.aborted, back*m.slotCount),
		within("discarded", s.Discarded, m.dropped, 0),
		within("not delivered", s.NotDelivered, m.undelivered, 0),
		within("holes", s.Holes, 0, 0), within("corrupt", s.Corrupt, 0, 0),
		within("deaths", uint64(len(s.Deaths)), 0, 0),
		within("senders", uint64(s.Senders), senders, 0),
		within("receivers", uint64(s.Receivers), living, 0),
	)
	if s.State != m.state {
		err = errors.Join(err, fmt.Errorf("state %v, want %v", s.State, m.state))
	}
	return err
}
