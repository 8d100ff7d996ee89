package link

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os/exec"
	"time"

	"shmring/channel"
	"shmring/manager"
)

// Defaults of Options.
const (
	DefaultStopGrace    = 30 * time.Second
	DefaultJoinWithin   = time.Minute
	DefaultStableAfter  = 10 * time.Second
	DefaultFirstBackoff = 100 * time.Millisecond
	DefaultMostBackoff  = 30 * time.Second

	DefaultArenaBytes = 4 << 20 // of requests and of tokens; the largest frame is half of it
	DefaultTokenSlots = 1024
)

// Options describe a link. Command or Name must be set.
type Options struct {
	// Command makes the command of a runner, which calls Join. Its ExtraFiles and its
	// environment get what Join needs. ctx ends when the runner is to be killed. Nil: runners
	// come by themselves, and call Attach.
	Command func(ctx context.Context) *exec.Cmd
	// Name gives the segments names, by which a runner of another container finds them:
	// Name.requests, Name.tokens, Name.control, Name.status. Empty: they have none, and go
	// with the last of the two processes, by whatever signal.
	Name string

	// Requests and Tokens describe those two channels. Tokens is SPSC whatever Kind says.
	// Slots and ArenaBytes that are zero are those of this package. A blob of n bytes needs an
	// arena of twice as much and a little more.
	Requests, Tokens channel.Options

	// Restart makes the policy by which the next runner is started when one has ended; it
	// is made anew when a runner lived for StableAfter. Nil: waits from DefaultFirstBackoff
	// to DefaultMostBackoff, for ever.
	Restart     func() manager.Backoff
	StableAfter time.Duration // 0: DefaultStableAfter
	// JoinWithin is how long a runner may take from its start until it calls Join. 0:
	// DefaultJoinWithin. It needs not have loaded its model by then: see Runner.Busy. Without
	// a Command a runner is waited for without a limit.
	JoinWithin time.Duration
	// StopGrace is how long a runner has to finish what it has, when the link is stopped,
	// before it is killed. 0: DefaultStopGrace.
	StopGrace time.Duration

	// KillWithServer lets the kernel kill the runner by SIGKILL at the instant the server
	// dies. Without it the runner learns of that by Runner.Context, and ends by itself. It
	// costs a thread.
	KillWithServer bool

	// OnStart and OnExit, if not nil, are told of each instance: when its runner has joined,
	// and when it is over. They must not wait for the Supervisor.
	OnStart func(*Server)
	OnExit  func(Exit)
	// Late, if not nil, gets the frames that a runner had sent and the function given to
	// Start did not receive before it returned. They are counted in any case.
	Late func(*Server, Frame)

	channel.OpenOptions // Dir, AllowUIDs, Logger, StallAfter, … of all segments
}

func orDefault[T int | time.Duration](v, fallback T) T {
	if v == 0 {
		return fallback
	}
	return v
}

// withDefaults checks options and fills them up.
func (o Options) withDefaults() (Options, error) {
	if o.Command == nil && o.Name == "" {
		return o, fmt.Errorf("%w: link.Options need a Command, a Name, or both", fs.ErrInvalid)
	}
	if o.Wait || o.ReadOnly || o.Requests.Nameless || o.Tokens.Nameless {
		return o, fmt.Errorf("%w: link.Options decide themselves about Wait, ReadOnly and Nameless",
			fs.ErrInvalid)
	}
	o.StableAfter = orDefault(o.StableAfter, DefaultStableAfter)
	o.JoinWithin = orDefault(o.JoinWithin, DefaultJoinWithin)
	o.StopGrace = orDefault(o.StopGrace, DefaultStopGrace)
	o.StallAfter = orDefault(o.StallAfter, channel.DefaultStallAfter)
	if o.Restart == nil {
		o.Restart = func() manager.Backoff {
			return &manager.Exponential{
				First: DefaultFirstBackoff, Most: DefaultMostBackoff, Attempts: math.MaxInt,
			}
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, c := range [...]*channel.Options{&o.Requests, &o.Tokens} {
		c.ArenaBytes = orDefault(c.ArenaBytes, DefaultArenaBytes)
		c.OpenOptions, c.Nameless = o.OpenOptions, o.Name == ""
	}
	o.Requests.RequirePeer = true
	o.Tokens.Kind = channel.SPSC
	o.Tokens.Slots = orDefault(o.Tokens.Slots, DefaultTokenSlots)
	return o, nil
}

// Geometry of what carries no data.
const (
	controlSlots    = 256
	controlSlotSize = 128 // room for a hello
	fewParticipants = 8
)

func (o Options) control() channel.Options {
	return channel.Options{
		Slots: controlSlots, SlotSize: controlSlotSize, ArenaBytes: channel.NoArena,
		MaxParticipants: fewParticipants, Mode: o.Requests.Mode, Nameless: o.Name == "",
		OpenOptions: o.Requests.OpenOptions,
	}
}

func (o Options) status() channel.EventOptions {
	return channel.EventOptions{
		MaxParticipants: fewParticipants, Mode: o.Requests.Mode, Nameless: o.Name == "",
		OpenOptions: o.OpenOptions,
	}
}
