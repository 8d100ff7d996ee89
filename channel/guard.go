package channel

import "shmring/futex"

// A file can be truncated, or its pages punched out, under everybody who has it mapped.
// Whatever touches the memory then faults, which would end the process. Control
// operations, observers and Close always turn that into ErrFault; sending and receiving do
// where OpenOptions.Guard asks for it, since it costs about 8 ns a message.
//
// A fault unwinds the stack to the guard. So a guard lies inside of every mutex that is not
// unlocked by a defer, and around no piece of code that changes who holds one.

// guard runs f and returns ErrFault if the segment's memory is gone.
func (ch *Channel) guard(f func() error) error { return ch.seg.Guard(f) }

// try is guard for what has no way to report: a fault is logged, and the next call that
// can report meets it again.
func (ch *Channel) try(f func()) {
	ch.unreported("touch the segment", ch.guard(func() error { f(); return nil }))
}

// unreported logs what a call that has no way to report has met, if anything. Who sleeps on
// memory that is gone cannot be woken by it, and learns by a signal.
func (ch *Channel) unreported(doing string, err error) {
	if err != nil {
		futex.Disturb() // first: a logger may take long
		ch.logWarn(doing, err)
	}
}

// guardData is guard for the data path: only where the caller asked for it.
func (ch *Channel) guardData(f func() error) error {
	if !ch.opts.Guard {
		return f()
	}
	return ch.seg.Guard(f)
}
