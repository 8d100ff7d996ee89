package manager

import (
	"log/slog"
	"time"

	"shmring/channel"
)

// Defaults of Options.
const (
	DefaultOpTimeout = 30 * time.Second
	DefaultSlowOp    = time.Second
)

// Options describe a Manager. The zero value is a good one.
type Options struct {
	Dir string // directory of segments; empty: $SHMRING_DIR, else /dev/shm

	// OpTimeout ends an operation whose context has no deadline. Zero: DefaultOpTimeout;
	// negative: nothing ends it.
	OpTimeout time.Duration
	// Retry makes the policy for one operation that fails for a reason that may pass; see
	// Transient. Nil: Exponential with its defaults.
	Retry func() Backoff
	// SlowOp is how long an operation takes before it is logged. Zero: DefaultSlowOp;
	// negative: never. Waiting for a message is not slow.
	SlowOp time.Duration
	// OnOperation, if not nil, is told of every operation that ended. It runs in the caller's
	// goroutine.
	OnOperation func(Op)
	// Logger is told of what nobody is there to be told of by an error; nil: silent.
	Logger *slog.Logger
}

// opTimeout is the timeout in force; zero: none.
func (o Options) opTimeout() time.Duration {
	switch {
	case o.OpTimeout == 0:
		return DefaultOpTimeout
	case o.OpTimeout < 0:
		return 0
	}
	return o.OpTimeout
}

// A Spec says how to create a channel that is declared and used later.
type Spec struct {
	channel.Options
	// Leftover says what becomes of a segment that a dead run left behind, attached by
	// nobody. A segment that somebody living is attached to is joined, whatever it says.
	Leftover Leftover
}

// A Leftover is a policy for segments of a dead run.
type Leftover int

// Policies.
const (
	// Keep takes over what is usable, unread messages included, and replaces the rest:
	// other boots, damaged and closed ones.
	Keep Leftover = iota
	// Replace throws away whatever nobody living is attached to.
	Replace
)
