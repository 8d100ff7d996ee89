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
	// OnOperation, if not nil, is told of every operation that ended. It runs in the goroutine
	// of the operation: the caller's, or one of Shutdown, of SendAsync or of the monitor.
	OnOperation func(Op)
	// Escalate decides what becomes of a channel that can go neither on nor back: one that
	// the monitor gave up to recover, or that a Shutdown with channel.Rollback left sealed.
	// channel.Force ends it at once, for all its processes: senders, receivers and those who
	// wait learn of it, and what is left is counted as discarded; what depends on it is not
	// ended. Whatever else it returns leaves the channel as it is: sealed, its messages kept,
	// for Recover or Shutdown to be called again. Nil: that. It is told once for each failure,
	// in the goroutine of the monitor or of Shutdown, and may use the Manager, but must not
	// call Close or stop the monitor, which wait for it. The Logger is told in any case.
	Escalate func(Escalation) channel.Policy
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
