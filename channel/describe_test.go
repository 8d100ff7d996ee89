package channel_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"shmring/channel"
	"shmring/internal/layout"
)

// TestDoingSaysHowLongAndSinceWhen has words of its own for each way to hold others up.
func TestDoingSaysHowLongAndSinceWhen(t *testing.T) {
	const receiver, sender = layout.RoleReceiver, layout.RoleSender
	long := time.Now().Add(-12 * time.Second)
	for _, c := range []struct {
		p    channel.Participant
		want string
	}{
		{channel.Participant{Role: receiver, Held: 1}, "dead, not yet settled"},
		{
			channel.Participant{Role: receiver, Alive: true, Held: 1, Progress: long},
			"alive, holding 1 message for 12s, last progress 12s ago",
		},
		{
			channel.Participant{
				Role: receiver, Alive: true, Stopped: true, Held: 3, Progress: long,
			},
			"stopped, holding 3 messages for 12s, last progress 12s ago",
		},
		{
			channel.Participant{Role: receiver, Alive: true, Held: 1}, // never any progress
			"alive, holding 1 message",
		},
		{
			channel.Participant{
				Role: receiver, Alive: true, Held: 1, Progress: long,
				Busy: `busy "loading weights" for 12s of at most 1m0s`,
			},
			`alive, holding 1 message for 12s, busy "loading weights" for 12s of at most 1m0s`,
		},
		{
			channel.Participant{
				Role: receiver, Alive: true, Waiting: "data", WaitingTime: 11 * time.Second,
				Progress: long,
			},
			"alive, waiting for data for 11s, last progress 12s ago",
		},
		{
			channel.Participant{Role: receiver, Alive: true, Closing: true, Progress: long},
			"alive, closing, last progress 12s ago",
		},
		{
			channel.Participant{Role: sender, Alive: true, Reserved: 2, Held: 1, Progress: long},
			"alive, filling 2 slots, holding 1 lease, last progress 12s ago",
		},
	} {
		assert.Equal(t, c.want, c.p.Doing())
	}
}
