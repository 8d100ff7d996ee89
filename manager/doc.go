// Package manager looks after the channels of a process: it opens them at first use, retries
// what is transient, ends them in the order of their dependencies over all processes of the
// machine, watches their health, and counts what happened.
//
//	m, err := manager.New(manager.Options{})
//	defer m.Close()
//	m.Declare("requests", manager.Spec{})
//	requests, err := m.Channel("requests")
//	err = requests.Send(ctx, payload) // creates the segment, takes the role
//
// # What it owns
//
// Nothing that matters. The state of a channel, its dependencies and its announced end live
// in its segment, where every process and shmctl see the same: a Manager is a view and an
// actor. Two managers, in one process or in several, need not know of each other; what one
// began and died over, another completes.
//
// # What it costs
//
// A call of a managed Channel is the call of package channel, two readings of the clock,
// some counters, and an allocation where its context has no deadline; a timer, only if it has
// to wait. Channel.Raw gives the channel itself to those who do not want even that.
// There are no goroutines but those that StartMonitor and SendAsync are asked for,
// and none outlives Close.
//
// # Concurrency and errors
//
// Everything may be called by several goroutines at once. Calls that can wait take a context
// first; one without a deadline gets that of Options.OpTimeout. Errors are those of package
// channel, with what was tried.
package manager
