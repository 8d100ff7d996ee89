package channel

import (
	"errors"
	"fmt"
	"sync"

	"shmring/futex"
	"shmring/internal/layout"
	"shmring/internal/race"
)

// MaxEventValue is how many bytes the value of an event has at most.
const MaxEventValue = layout.EventValueSize

// progressEvery is how many signals may pass until a handle tells others when it last
// made one.
const progressEvery = 16

// An Event is a named sequence with a last value, shared by processes: whoever has it
// open may signal it, and wait until somebody did. It is no queue: of several signals
// before a look, the last is seen, and the sequence says how many there were. The value is
// always that of one signal, whole, also after a signaller was killed half-way. Nothing
// that anybody holds can keep others from signalling.
//
// A handle takes one of the event's places, or none if it is read-only. Its methods may
// be called concurrently.
//
// The sequence begins at zero in a new segment, with an empty value, and counts modulo
// 2⁵³.
type Event struct {
	ch    *Channel // the attachment; its ring is not used
	cell  cell
	place int
	row   *layout.Participant // nil if read-only

	calls sync.WaitGroup // running calls but Signal's; added to under mu, while not closed

	mu      sync.Mutex // held while a signal is made
	closed  bool
	writer  cellWriter
	spin    futex.Spinner
	signals uint64
	bytes   uint64
	waiting int // calls that sleep or are about to
}

// Signal makes a copy of value the event's last value, increments the sequence, and
// wakes all waiters of all processes. It never waits for anybody, and makes no system
// call while nobody sleeps. It returns the sequence of this signal: every Load and Wait
// that begins after it has this value or a later one. Nil is an empty value.
//
// Errors: ErrTooBig beyond MaxEventValue, ErrClosed, ErrState if attached read-only,
// ErrFault, ErrCorrupt; ErrBusy if it lost thousands of races to other signals in a row.
func (e *Event) Signal(value []byte) (seq uint64, err error) {
	if len(value) > MaxEventValue {
		return 0, e.fail("signal", fmt.Errorf("%w: %d bytes, the value of an event has %d at most",
			ErrTooBig, len(value), MaxEventValue))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return 0, e.fail("signal", ErrClosed)
	case e.row == nil:
		return 0, e.fail("signal", errReadOnly)
	}
	e.ch.token.Release(race.Messages)
	err = e.ch.seg.Guard(func() error {
		var err error
		if seq, err = e.writer.publish(value); err == nil {
			e.announce(len(value))
		}
		return err
	})
	return seq, e.fail("signal", err)
}

// announce wakes whoever sleeps, and counts, after a value was published.
func (e *Event) announce(n int) {
	woke := futex.Signal(e.ch.dataEvent, e.ch.places)
	if woke {
		e.row.Wakes.Add(1)
	}
	e.signals++
	e.bytes += uint64(n)
	e.row.Messages.Store(e.signals)
	e.row.Bytes.Store(e.bytes)
	if woke || e.signals%progressEvery == 1 {
		e.row.ProgressNs.Store(nowNs())
	}
}

// Load returns the sequence and a copy of the last value: empty at sequence zero.
func (e *Event) Load() (seq uint64, value []byte, err error) {
	if err := e.enter(); err != nil {
		return 0, nil, e.fail("load", err)
	}
	defer e.calls.Done()
	seq, value, err = e.load()
	return seq, value, e.fail("load", err)
}

func (e *Event) load() (seq uint64, value []byte, err error) {
	err = e.ch.seg.Guard(func() error {
		var buf [MaxEventValue]byte
		var b []byte
		var err error
		if seq, b, err = e.cell.load(buf[:0]); err == nil {
			value = append(make([]byte, 0, len(b)), b...)
		}
		return err
	})
	e.ch.token.Acquire(race.Messages)
	return seq, value, err
}

// enter keeps the mapping alive for a call; calls.Done ends that.
func (e *Event) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	e.calls.Add(1)
	return nil
}

// enterWait is enter for a call that may sleep.
func (e *Event) enterWait() error {
	if e.row == nil {
		return errReadOnly
	}
	return e.enter()
}

func (e *Event) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// Close detaches: running waits of this handle return ErrClosed, and Close waits for
// them. Others are not touched. With the last handle an Ephemeral event is removed. A
// second Close returns ErrClosed.
func (e *Event) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return e.ch.closedError("close")
	}
	e.closed = true
	e.mu.Unlock()
	var err error
	if e.row != nil {
		err = e.ch.guard(func() error { futex.Broadcast(e.ch.dataEvent); return nil })
		if err != nil {
			futex.Disturb() // who sleeps on it cannot be woken by it
		}
	}
	e.calls.Wait()
	if e.row != nil {
		err = errors.Join(err, e.ch.unclaim(e.place))
	}
	return e.fail("close", errors.Join(err, e.ch.Close()))
}

// Name returns the event's name.
func (e *Event) Name() string { return e.ch.Name() }

// Path returns the path of the segment's file.
func (e *Event) Path() string { return e.ch.Path() }

// Instance returns the random identity of the segment: a recreated event of the same name
// has another one, and a sequence that begins at zero.
func (e *Event) Instance() [16]byte { return e.ch.Instance() }

// Replaced says why OpenOrCreateEvent replaced an existing segment; empty if it did not.
func (e *Event) Replaced() string { return e.ch.Replaced() }

// Participants lists the handles of the event, of all processes, by place. Their
// messages are the signals that they made.
func (e *Event) Participants() []Participant { return e.ch.Participants() }

func (e *Event) fail(op string, err error) error { return e.ch.fail(op, err) }
