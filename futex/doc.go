// Package futex puts processes to sleep on 32-bit words that they share, and wakes
// them.
//
// # The protocol of an event
//
// An event (layout.Event) is a sequence word and one waiting bit for each place of a
// channel. Nobody asks the kernel for anything while nobody sleeps.
//
//	sleeper                         waker
//	1 set my waiting bit            1 publish (a message, a head, a state)
//	2 read the sequence             2 look at the bits: none set, done
//	3 check every condition again   3 bump the sequence
//	4 sleep while the sequence      4 wake all who sleep on it
//	  is what was read
//
// Invariant: if the condition became true, the sleeper either sees it in 3, or its
// bit was set before the waker looked, and then the bump makes 4 return at once or
// the wake ends it. This needs 1 before 3 on the left and 1 before 2 on the right in
// one order for all processes: both are sequentially consistent operations. The bit
// is cleared by the sleeper alone, or by whoever settles it when it is dead. A waker
// that cleared it would lose the wake-up of a second sleeper; a count instead of bits
// would drift with every sleeper that is killed. All are woken, because a wake of one
// can be spent on a process that is dying.
//
// Several goroutines of one process may sleep at one place; Sleepers counts them, so
// that the first to leave does not take the bit of the others.
//
// A sleep takes a thread. Park lets many sleepers of a process share a few.
//
// Sleeps are absolute in CLOCK_MONOTONIC, so that a signal does not lengthen them.
// Words are shared between processes: FUTEX_PRIVATE_FLAG is never set.
//
// Systems without futexes compile the package: a wait there fails at once with
// errors.ErrUnsupported.
package futex
