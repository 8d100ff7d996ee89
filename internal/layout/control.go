package layout

import "sync/atomic"

// Line is the distance between two words that different processes write often:
// two 64-byte cache lines, because the adjacent-line prefetcher pulls pairs.
const Line = 128

// Word32 is a 32-bit word alone on its line.
type Word32 struct {
	V atomic.Uint32 `doc:"the word"`
	_ [Line - 4]byte
}

// Word64 is a 64-bit word alone on its line.
type Word64 struct {
	V atomic.Uint64 `doc:"the word"`
	_ [Line - 8]byte
}

// Event is a place to sleep: a sequence that a waker bumps, and one bit for each
// place that may be asleep on it. Package futex owns its protocol.
type Event struct {
	Seq  atomic.Uint32    `doc:"sequence; the futex word"`
	_    [4]byte          // keeps Bits aligned
	Bits [4]atomic.Uint64 `doc:"waiting bits, one for each place"`
	_    [Line - 40]byte
}

// Poison is the flag that somebody found an impossible word.
type Poison struct {
	Code   atomic.Uint32 `doc:"0 clean, else a PoisonCode"`
	Place  atomic.Uint32 `doc:"place of the finder"`
	Detail atomic.Uint64 `doc:"the impossible word"`
	WhenNs atomic.Int64  `doc:"Unix nanoseconds"`
	_      [Line - 24]byte
}

// Totals are counters of the channel's whole life. Received to Corrupt have one
// writer, the holder of the receiver's byte; the sums of departed senders are
// added by whoever empties their row, for people, and may miss a killed one's.
type Totals struct {
	Received      atomic.Uint64 `doc:"messages released by receivers"`
	ReceivedBytes atomic.Uint64 `doc:"payload bytes of those"`
	Holes         atomic.Uint64 `doc:"slots aborted for dead senders"`
	Aborted       atomic.Uint64 `doc:"slots passed that their owners aborted"`
	Discarded     atomic.Uint64 `doc:"full slots counted by a forced close"`
	Corrupt       atomic.Uint64 `doc:"impossible words found"`
	PastSent      atomic.Uint64 `doc:"messages of departed senders"`
	PastSentBytes atomic.Uint64 `doc:"payload bytes of those"`
	Claims        atomic.Uint64 `doc:"claim numbers given out"`
	Redeliver     atomic.Uint64 `doc:"tail when the last receiver was found dead; zero none"`
	NotDelivered  atomic.Uint64 `doc:"upper bound, by a forced close that got no answer"`
	_             [Line - 88]byte
}

// Identity says who did something, for people.
type Identity struct {
	PID    atomic.Uint32    `doc:"pid in its namespace"`
	Role   atomic.Uint32    `doc:"a Role"`
	PIDNS  atomic.Uint64    `doc:"inode of the pid namespace"`
	Start  atomic.Uint64    `doc:"start time in clock ticks since boot"`
	WhenNs atomic.Int64     `doc:"Unix nanoseconds"`
	Comm   [2]atomic.Uint64 `doc:"command name"`
}

// Holder is the last holder of the control lock, for people: the lock itself is
// the kernel's.
type Holder struct {
	Who Identity         `doc:"the holder"`
	Op  [4]atomic.Uint64 `doc:"what it is doing"`
	_   [Line - 80]byte
}

// Transition is the record of one change of state. It counts only if its tag is
// that of the state word it explains.
type Transition struct {
	Tag    atomic.Uint64     `doc:"new state word, or zero while it is written"`
	From   atomic.Uint64     `doc:"old state word"`
	Who    Identity          `doc:"who did it and when"`
	_      [32]byte          // reserved, zero
	Reason [20]atomic.Uint64 `doc:"reason text, 160 bytes"`
}

// Plan is the announcement that somebody means to end the channel. It counts only if Set
// is 1, and changes nothing by itself.
type Plan struct {
	Set        atomic.Uint64     `doc:"0 none or being written, 1 announced"`
	DeadlineNs atomic.Int64      `doc:"when it shall be over, Unix nanoseconds; zero no limit"`
	Who        Identity          `doc:"who announced it and when"`
	Reason     [20]atomic.Uint64 `doc:"reason text, 160 bytes"`
	_          [32]byte          // reserved, zero
}

// Dependency names a channel that this one depends on: it is to be drained before that one
// is sealed.
type Dependency struct {
	State    atomic.Uint64     `doc:"0 free, 1 valid"`
	Instance [2]atomic.Uint64  `doc:"instance id of the other segment"`
	Name     [25]atomic.Uint64 `doc:"name, 200 bytes"`
	_        [32]byte          // reserved, zero
}

// Sizes of the tables inside Control.
const (
	TransitionCount = 8
	DependencyCount = 16
	DeathCount      = 16
)

// Control is everything about a channel that changes and is not a slot.
type Control struct {
	State       Word32                      `doc:"state word"`
	Tail        Word64                      `doc:"[seal][slot position][arena position]"`
	Head        Word64                      `doc:"the same without the seal"`
	Data        Event                       `doc:"data event: the receiver sleeps here"`
	Space       Event                       `doc:"space event: senders and drains sleep here"`
	StateEvent  Event                       `doc:"state event: always woken"`
	Membership  Event                       `doc:"Seq counts arrivals, departures and deaths"`
	Poison      Poison                      `doc:"set by whoever finds an impossible word"`
	Totals      Totals                      `doc:"counters"`
	Holder      Holder                      `doc:"control-lock holder, for people"`
	Transitions [TransitionCount]Transition `doc:"change to epoch e at e mod 8"`
	Depends     [DependencyCount]Dependency `doc:"dependencies"`
	Plan        Plan                        `doc:"announced end"`
}

// A PoisonCode says which kind of impossible word was found.
type PoisonCode uint32

// Poison codes.
const (
	PoisonNone PoisonCode = iota
	PoisonTail
	PoisonHead
	PoisonCommit
	PoisonReference
	PoisonState
	PoisonChecksum
	PoisonIntent
)
