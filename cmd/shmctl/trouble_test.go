package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/state"
)

// hold holds a channel up until its input ends: as a receiver that holds one message
// (message; it is told of one that ends a sleep), as one that is busy
// besides (busy), as a sender in the middle of a message (lease).
func hold() {
	ctx := context.Background()
	ch, err := channel.Open(ctx, os.Args[1], channel.OpenOptions{})
	exitOn(err)
	if os.Args[2] == "lease" {
		tx, err := ch.Sender(ctx)
		exitOn(err)
		_, err = tx.Reserve(ctx, 1)
		exitOn(err)
		fmt.Println("ready")
		waitForInput(nil, ch)
	}
	rx, err := ch.Receiver(ctx)
	exitOn(err)
	_, err = rx.Recv(ctx)
	exitOn(err)
	if os.Args[2] == "busy" {
		rx.Busy("loading weights", time.Minute)
	}
	fmt.Println("ready")
	waitForInput(nil, ch)
}

// TestEveryKindOfTroubleHasItsOwnWords lists what stat, ps, doctor and top say.
func TestEveryKindOfTroubleHasItsOwnWords(t *testing.T) {
	long := time.Now().Add(-12 * time.Second)
	receiver := channel.Participant{
		Role: layout.RoleReceiver, PID: 4711, Who: "pid 4711 (runner)", Alive: true,
		Progress: long,
	}
	sender := channel.Participant{
		Role: layout.RoleSender, PID: 4720, Who: "pid 4720 (server)", Alive: true, Progress: long,
	}
	with := func(p channel.Participant, change func(*channel.Participant)) channel.Participant {
		change(&p)
		return p
	}
	stuck := with(receiver, func(p *channel.Participant) { p.Held = 1 })
	waits := with(sender, func(p *channel.Participant) {
		p.Waiting, p.WaitingTime = "space", 11*time.Second
	})
	for _, c := range []struct {
		name   string
		stats  channel.Stats
		who    []channel.Participant
		want   string
		remedy string
	}{
		{"well", channel.Stats{}, []channel.Participant{receiver, sender}, "", ""},
		{
			"stuck",
			channel.Stats{Depth: 2},
			[]channel.Participant{stuck},
			"receiver pid 4711 (runner) alive, holding 1 message for 12s, last progress 12s ago: " +
				"stuck",
			"or shmctl recover q --kill 4711",
		},
		{"dead", channel.Stats{}, []channel.Participant{
			with(receiver, func(p *channel.Participant) { p.Alive = false }),
		}, "receiver pid 4711 (runner) died, not yet settled", "shmctl recover q"},
		{"stopped", channel.Stats{}, []channel.Participant{
			with(receiver, func(p *channel.Participant) { p.Stopped = true }),
		}, "receiver pid 4711 (runner) stopped, last progress 12s ago", "kill -CONT 4711, or "},
		{
			"busy",
			channel.Stats{Depth: 1},
			[]channel.Participant{
				with(stuck, func(p *channel.Participant) {
					p.Busy = `busy "x" for 3s of at most 1m0s`
				}),
			},
			"receiver pid 4711 (runner) alive, holding 1 message for 12s, " +
				`busy "x" for 3s of at most 1m0s`,
			"wait: it said so",
		},
		{
			"full",
			channel.Stats{Depth: 4, Receivers: 1},
			[]channel.Participant{
				with(receiver, func(p *channel.Participant) { p.Progress = time.Now() }), waits,
			},
			"full: 4 of 4 slots in use; receiver pid 4711 (runner) alive, last progress",
			"wait, or",
		},
		{
			"full, and its receiver is stuck",
			channel.Stats{Depth: 4, Receivers: 1},
			[]channel.Participant{stuck, waits},
			"full: 4 of 4 slots in use; receiver pid 4711 (runner) alive, holding 1 message for",
			"first the receiver; sender pid 4720",
		},
		{
			"no receiver",
			channel.Stats{Depth: 4},
			[]channel.Participant{waits},
			"full: 4 of 4 slots in use; sender pid 4720 (server) alive, waiting for room for " +
				"11s, last progress 12s ago", "start a receiver",
		},
		{
			"a dead receiver",
			channel.Stats{Depth: 3, DeadReceiver: 7, Deaths: []channel.Death{{
				Instance: 7, PID: 4711, Comm: "runner", At: long,
			}}},
			nil, "the receiver pid 4711 (runner) died 12s ago, nobody took its place; 3 of 4 slots",
			"start one",
		},
		{
			"hole",
			channel.Stats{Depth: 1},
			[]channel.Participant{
				with(receiver, func(p *channel.Participant) { p.Waiting = "hole" }),
				with(sender, func(p *channel.Participant) { p.Reserved, p.Held = 1, 1 }),
			},
			"waiting on a message reserved and not committed: sender pid 4720 (server) alive, " +
				"filling 1 slot, holding 1 lease, last progress 12s ago: stuck",
			"shmctl recover q --kill 4720",
		},
		{
			"hole, a moment ago",
			channel.Stats{Depth: 1},
			[]channel.Participant{
				with(receiver, func(p *channel.Participant) { p.Waiting = "hole" }),
				with(sender, func(p *channel.Participant) {
					p.Reserved, p.Progress = 1, time.Now()
				}),
			},
			"waiting on a message reserved and not committed: sender pid 4720 (server) alive, " +
				"filling 1 slot, last progress", "wait, or see what it does",
		},
		{
			"hole that nobody has come to",
			channel.Stats{Depth: 1},
			[]channel.Participant{
				receiver, with(sender, func(p *channel.Participant) { p.Reserved = 1 }),
			},
			"a message is reserved and not committed: sender pid 4720 (server) alive, " +
				"filling 1 slot, last progress 12s ago: stuck", "shmctl recover q --kill 4720",
		},
		{
			"sealed",
			channel.Stats{State: state.Draining, Reason: "deploy", Depth: 0},
			nil,
			"DRAINING (deploy): sealed, 0 slots left", "shmctl recv q takes the rest",
		},
		{
			"error",
			channel.Stats{State: state.Error, Reason: "corrupt"},
			nil,
			"ERROR (corrupt): nobody can send", "shmctl recover q",
		},
		{
			"recovering",
			channel.Stats{State: state.Recovering},
			nil, "RECOVERING: senders wait",
			"shmctl recover q",
		},
		{
			"closing",
			channel.Stats{State: state.Closing},
			nil, "CLOSING: being closed",
			"shmctl close q",
		},
		{
			"closed",
			channel.Stats{State: state.Closed},
			nil, "CLOSED: nobody could remove it",
			"shmctl rm q",
		},
	} {
		c.stats.Slots = 4
		if c.stats.State == 0 {
			c.stats.State = state.Active
		}
		v := view{stats: c.stats, participants: c.who}
		v.entry.Name = "q"
		var whats, remedies []string
		for _, found := range v.troubles() {
			whats, remedies = append(whats, found.What), append(remedies, found.Remedy)
		}
		assert.Contains(t, strings.Join(whats, "\n"), c.want, c.name)
		assert.Contains(t, strings.Join(remedies, "\n"), c.remedy, c.name)
		assert.Equal(t, c.want == "", len(whats) == 0, "%s: %q", c.name, whats)
	}
}
