// Package race shows the race detector what it cannot see. The detector ignores
// memory that is mapped, so the order that a channel gives to two goroutines of one
// process is invisible to it, and it would report races on the user's own data that
// the channel orders. A Token stands for that order, shared by all attachments of a
// segment in this process: whoever gives something to others through the segment
// releases it before, whoever was given something acquires it after.
//
// It is as narrow as the order that the channel promises. Two senders are not ordered
// by their sends, although the race for the tail does order them: a program that relies
// on that has a race, and is told so.
//
// In a race build, EnvVisible in the environment turns this round, for tests: then package
// shm maps segments where the detector sees them, the accesses of the protocol are checked
// themselves, and tokens order nothing for attachments that the detector sees. Without
// -race everything here compiles to nothing.
package race

// An Order is one thing that goes through a segment and orders those on its two sides.
type Order int

// Orders.
const (
	Messages Order = iota // from a sender to the receiver; from a signal to its waiters
	Room                  // from a release to the sender that may use it, or to a drain
	Control               // from changes of state and membership to whoever learns of them
	orders
)
