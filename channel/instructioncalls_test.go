//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"testing"

	"shmring/channel"
)

// A steppedCall is a call that is killed at each of its instructions.
type steppedCall struct {
	name    string
	kind    channel.Kind
	victims int  // in one process
	some    int  // so many kills in a short run
	ours    bool // only at instructions that may touch the segment, or ask the kernel
	whole   bool // a campaign kills at every such instruction, whatever it costs
	loads   bool // also beside a process that sends to the same channel

	// In the process that is killed: what comes before the call, the call, and a look at
	// what it did.
	before, call, after func(a *actor) error

	acked    []uint64 // messages of sender 1 that were sent, or handed out, before the call
	under    []uint64 // those that the call is about
	released uint64   // messages given back before the call

	// In the process that survives: what is there before the victim, what others do beside
	// one that is stopped, and what has to be so after its death.
	prepare func(t *testing.T, s *scene)
	beside  func(t *testing.T, s *scene)
	check   func(s *scene)
}

// steppedCalls are all of them, by name.
var steppedCalls = make(map[string]*steppedCall)

func register(calls ...*steppedCall) {
	for _, c := range calls {
		if c.after == nil {
			c.after = nothing
		}
		c.victims = max(c.victims, 1)
		steppedCalls[c.name] = c
	}
}

func init() {
	registerSenders()
	registerReceivers()
	registerControls()
	registerAttachments()
}
