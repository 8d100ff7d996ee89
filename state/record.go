package state

import (
	"slices"
	"time"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// An Actor says who made a change, for people.
type Actor struct {
	PID          uint32
	Role         layout.Role
	PIDNS, Start uint64 // pid namespace, start time in ticks since boot
	Comm         string
}

// A Transition is one change of state as it was recorded.
type Transition struct {
	Word     Word // after it
	From     Word // before it
	Reason   string
	By       Actor
	At       time.Time
	Recorded bool // false: there is no record of the word in force
}

// byReceiver is the reason of a CLOSING without a record.
const byReceiver = "drained, by the receiver"

// record writes the record of a change to next. Its tag is zero while the rest is
// written, and is the new word at the end.
func (m *Machine) record(from, next Word, c Change) {
	t := &m.ctl.Transitions[next.Epoch()%layout.TransitionCount]
	t.Tag.Store(0) // sync: record
	fault.Point("state.record.begun")
	t.From.Store(uint64(from))
	t.Who.PID.Store(c.By.PID)
	t.Who.Role.Store(uint32(c.By.Role))
	t.Who.PIDNS.Store(c.By.PIDNS)
	t.Who.Start.Store(c.By.Start)
	t.Who.WhenNs.Store(time.Now().UnixNano())
	layout.StoreText(t.Who.Comm[:], c.By.Comm)
	layout.StoreText(t.Reason[:], c.Reason)
	fault.Point("state.record.filled")
	t.Tag.Store(uint64(next)) // sync: record
}

// read returns the record if it is whole and well formed.
func read(t *layout.Transition) (Transition, bool) {
	tag := t.Tag.Load() // sync: record
	w := Word(tag)
	if tag == 0 || uint64(w) != tag || !w.Valid() {
		return Transition{}, false
	}
	out := Transition{
		Word: w, From: Word(t.From.Load()), Reason: layout.LoadText(t.Reason[:]), Recorded: true,
		By: Actor{
			PID: t.Who.PID.Load(), Role: layout.Role(t.Who.Role.Load()), PIDNS: t.Who.PIDNS.Load(),
			Start: t.Who.Start.Load(), Comm: layout.LoadText(t.Who.Comm[:]),
		},
		At: time.Unix(0, t.Who.WhenNs.Load()),
	}
	return out, t.Tag.Load() == tag // sync: record
}

// Last returns the change that led to the word in force. Without a matching record
// only Word and, for CLOSING, Reason are set.
func (m *Machine) Last() Transition {
	w := m.Load()
	t, ok := read(&m.ctl.Transitions[w.Epoch()%layout.TransitionCount])
	if ok && t.Word == w {
		return t
	}
	out := Transition{Word: w}
	if w.State() == Closing {
		out.Reason = byReceiver
	}
	return out
}

// Reason returns why the channel is in its state. The receiver's move to CLOSING writes
// no record: its reason is that of the seal before it, if that can still be read.
func (m *Machine) Reason() string {
	last := m.Last()
	if last.Recorded || last.Word.State() != Closing {
		return last.Reason
	}
	epoch := (last.Word.Epoch() - 1) & epochMask
	seal, ok := read(&m.ctl.Transitions[epoch%layout.TransitionCount])
	if ok && seal.Word.Epoch() == epoch && seal.Word.State() == Draining && seal.Reason != "" {
		return seal.Reason
	}
	return last.Reason
}

// History returns the recorded changes of the last eight epochs, oldest first, as far
// as their records are whole. A change without a record is left out, and so is the record
// of one that lost a race: each must lead to the word that the next one began with.
func (m *Machine) History() []Transition {
	now := m.Load()
	var out []Transition
	led := now // the word of the epoch; zero: unknown
	for back := range uint32(layout.TransitionCount) {
		epoch := (now.Epoch() - back) & epochMask
		t, ok := read(&m.ctl.Transitions[epoch%layout.TransitionCount])
		switch {
		case ok && t.Word.Epoch() == epoch && (led == 0 || led == t.Word):
			out = append(out, t)
			led = t.From
		case led.State() == Closing: // by the receiver, from DRAINING
			led = NewWord(Draining) | Word(epoch-1)&epochMask
		default:
			led = 0
		}
	}
	slices.Reverse(out)
	return out
}
