package futex

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Park is Wait for many: a sleep in the kernel takes a thread, so only the first few
// sleepers of the process have one of their own. The others share: one thread sleeps on
// the words of up to 127 of them by futex_waitv. Waking a shared sleeper costs some
// microseconds more. Where futex_waitv is missing each has its own thread.
//
// Whoever wakes changes the word before, as Broadcast does: of several words that are
// woken at once the kernel names one, and the others are known by their change.
func Park(w *atomic.Uint32, val uint32, until Deadline) error {
	if lot.direct.Add(1) > directMax && Vectored() {
		lot.direct.Add(-1)
		if err := lot.share(Word{W: w, Val: val}, until); !errors.Is(err, errAlone) {
			return err
		}
		lot.direct.Add(1)
	}
	defer lot.direct.Add(-1)
	return Wait(w, val, until)
}

// directMax is how many sleepers have a thread of their own.
const directMax = 2

// shareMax is how many sleepers share a thread; one word is for the newcomers' kick.
const shareMax = MaxWords - 1

// errAlone sends a sleeper to sleep in a thread of its own.
var errAlone = errors.New("futex: nobody shares a thread here")

// A parkingLot has all threads that sleep for several.
type parkingLot struct {
	direct atomic.Int32

	mu      sync.Mutex
	parkers []*parker
}

var lot parkingLot

// A parker is one sleeping thread. Its fields are behind the lot's mutex, except that
// the kernel looks at kick.
type parker struct {
	tickets []*ticket
	kick    atomic.Uint32 // bumped and woken when tickets were added
}

// A ticket is one sleeper. It belongs to the parker until done was sent to. Its word
// stays mapped so long, because its sleeper waits for that; but another process may
// truncate the file behind it.
type ticket struct {
	word  Word
	until Deadline
	done  chan error // holds one: sending never waits
}

var tickets = sync.Pool{New: func() any { return &ticket{done: make(chan error, 1)} }}

// share gives the sleeper to a parker that has room and waits.
func (l *parkingLot) share(w Word, until Deadline) error {
	t, ok := tickets.Get().(*ticket)
	if !ok {
		panic("futex: pool of tickets holds something else")
	}
	t.word, t.until = w, until
	l.add(t)
	err := <-t.done
	t.word = Word{}
	tickets.Put(t)
	return err
}

func (l *parkingLot) add(t *ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.parkers, func(p *parker) bool { return len(p.tickets) < shareMax })
	if i < 0 {
		p := &parker{tickets: []*ticket{t}}
		l.parkers = append(l.parkers, p)
		go l.run(p)
		return
	}
	p := l.parkers[i]
	p.tickets = append(p.tickets, t)
	p.kick.Add(1) // sync: seq
	WakeAll(&p.kick)
}

// run sleeps for the tickets of p until there are none left.
func (l *parkingLot) run(p *parker) {
	var buf [MaxWords]Word
	for {
		words, until := l.prepare(p, buf[:0])
		if len(words) == 0 {
			return
		}
		woken, err := waitVector(words, until)
		if l.settle(p, woken-1, err) { // the first word is the kick
			// They run now: a thread that falls asleep keeps its processor for a while.
			runtime.Gosched()
		}
	}
}

// prepare lists the words to sleep on, the kick first, and the first deadline. It ends
// the parker and lists nothing if nobody is left.
func (l *parkingLot) prepare(p *parker, words []Word) ([]Word, Deadline) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(p.tickets) == 0 {
		l.parkers = slices.DeleteFunc(l.parkers, func(o *parker) bool { return o == p })
		return nil, Never
	}
	until := Never
	words = append(words, Word{W: &p.kick, Val: p.kick.Load()}) // sync: seq
	for _, t := range p.tickets {
		words = append(words, t.word)
		until = until.Earlier(t.until)
	}
	return words, until
}

// settle ends the sleeps that are over after the kernel answered with a ticket or an
// error: of those who were woken, whose word changed, whose deadline passed, whose
// memory is gone. It reports whether there were any.
func (l *parkingLot) settle(p *parker, woken int, answer error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	refused := answer != nil && !errors.Is(answer, ErrTimeout)
	if missing(answer) {
		vectored.Store(vectorNo)
		return p.end(func(int, *ticket) (bool, error) { return true, errAlone })
	}
	now := Now()
	some := p.end(func(i int, t *ticket) (bool, error) {
		if refused { // somebody's word, and the kernel says whose
			err := probe(t.word)
			return err != nil, err
		}
		return t.over(i == woken, now)
	})
	if refused && !some { // for another reason: nobody is to blame, nobody may hang
		return p.end(func(int, *ticket) (bool, error) { return true, errAlone })
	}
	return some
}

// end sends away the sleepers that over names, each with its result. Tickets keep
// their order, so that newcomers come after those that the kernel knows by number.
func (p *parker) end(over func(i int, t *ticket) (bool, error)) bool {
	before := len(p.tickets)
	kept := p.tickets[:0]
	for i, t := range p.tickets {
		if yes, err := over(i, t); yes {
			t.done <- err
		} else {
			kept = append(kept, t)
		}
	}
	clear(p.tickets[len(kept):])
	p.tickets = kept
	return len(kept) < before
}

// over reports whether the sleep ends, and with what.
func (t *ticket) over(woken bool, now Deadline) (bool, error) {
	if woken {
		return true, nil
	}
	changed := false
	if gone := faults(func() { changed = t.word.W.Load() != t.word.Val }); gone { // sync: seq
		return true, probe(t.word)
	}
	if changed {
		return true, nil
	}
	if t.until != Never && t.until <= now {
		return true, ErrTimeout
	}
	return false, nil
}

// probe asks the kernel about one word without sleeping: a deadline in the past is
// over at once. An error says that nobody can sleep on it.
func probe(w Word) error {
	const past Deadline = 1
	if err := Wait(w.W, w.Val, past); err != nil && !errors.Is(err, ErrTimeout) {
		return err
	}
	return nil
}
