package manager

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"shmring/channel"
)

// An OpKind says what an operation does.
type OpKind int

// Kinds of operation.
const (
	OpOpen OpKind = iota + 1
	OpSend
	OpRecv
	OpDrain
	OpClose
	OpRecover

	opKinds // how many there are, plus one
)

// String returns the kind as one word.
func (k OpKind) String() string {
	names := [...]string{
		OpOpen: "open", OpSend: "send", OpRecv: "recv", OpDrain: "drain", OpClose: "close",
		OpRecover: "recover",
	}
	if k <= 0 || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// An Outcome says how an operation ended.
type Outcome int

// Outcomes.
const (
	Succeeded Outcome = iota + 1
	Ended             // the channel has: io.EOF, or it is sealed or closed
	TimedOut
	Canceled
	Failed
)

// String returns the outcome as words.
func (o Outcome) String() string {
	switch o {
	case Succeeded:
		return "succeeded"
	case Ended:
		return "ended"
	case TimedOut:
		return "timed out"
	case Canceled:
		return "canceled"
	case Failed:
		return "failed"
	}
	return "unknown"
}

// An Op is the report of one operation.
type Op struct {
	ID       uint64 // unique in this Manager, in order of beginning
	Kind     OpKind
	Channel  string
	Attempts int
	Began    time.Time
	Took     time.Duration
	Messages int // sent or received
	Outcome  Outcome
	Err      error // nil if it succeeded
}

// outcomeOf classifies an error of package channel.
func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Succeeded
	case errors.Is(err, io.EOF), errors.Is(err, channel.ErrClosed):
		return Ended
	case errors.Is(err, context.DeadlineExceeded):
		return TimedOut
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	return Failed
}

// Transient reports whether an error may pass by itself: somebody holds what was asked for
// (channel.ErrBusy), or the other side died and a successor may come (channel.ErrPeerDead).
// An error by which a context ended is none, whatever it says of others, nor is
// channel.ErrClosed.
func Transient(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, channel.ErrClosed) {
		return false
	}
	return errors.Is(err, channel.ErrBusy) || errors.Is(err, channel.ErrPeerDead)
}

// operate runs one operation: with a deadline, with retries, and with a report. attempt
// returns how many messages it moved; what an attempt that failed has moved counts too.
func (m *Manager) operate(
	ctx context.Context, kind OpKind, c *Channel, attempt func(context.Context) (int, error),
) error {
	op := Op{ID: m.lastOp.Add(1), Kind: kind, Channel: c.name, Began: time.Now()}
	if _, has := ctx.Deadline(); !has && m.opts.opTimeout() > 0 {
		late := &lateDeadline{Context: ctx, until: op.Began.Add(m.opts.opTimeout())}
		defer late.cease()
		ctx = late
	}
	var policy Backoff
	for {
		op.Attempts++
		n, err := attempt(ctx)
		op.Messages += n
		op.Err = err
		if err == nil || !Transient(err) {
			break
		}
		if policy == nil {
			policy = m.policy()
		}
		if !pause(ctx, policy.NextBackOff()) {
			break
		}
	}
	m.ended(c, &op)
	return op.Err
}

// ended completes and reports an operation.
func (m *Manager) ended(c *Channel, op *Op) {
	op.Took = time.Since(op.Began)
	op.Outcome = outcomeOf(op.Err)
	c.counts.count(op)
	m.tell(op)
}

// policy makes the retry policy of one operation.
func (m *Manager) policy() Backoff {
	if m.opts.Retry != nil {
		return m.opts.Retry()
	}
	return &Exponential{}
}

// pause waits before another attempt; false: there is none.
func pause(ctx context.Context, d time.Duration) bool {
	if d < 0 {
		return false
	}
	if until, bounded := ctx.Deadline(); bounded && time.Until(until) <= d {
		return false // the error at hand says more than the deadline would
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tell reports an operation that ended.
func (m *Manager) tell(op *Op) {
	slow := m.opts.SlowOp
	if slow == 0 {
		slow = DefaultSlowOp
	}
	if m.opts.Logger != nil && slow > 0 && op.Took >= slow && op.Kind != OpRecv {
		m.opts.Logger.Warn("shmring: slow operation", "op", op.Kind.String(), "id", op.ID,
			"channel", op.Channel, "attempts", op.Attempts, "took", op.Took,
			"outcome", op.Outcome.String(), "error", op.Err)
	}
	if m.opts.OnOperation != nil {
		m.opts.OnOperation(*op)
	}
}

// opCounts counts operations of one channel, for Metrics.
type opCounts struct {
	kinds [opKinds]struct {
		ops, errors, retries, messages atomic.Uint64
		latency                        histogram
	}
}

func (c *opCounts) count(op *Op) {
	k := &c.kinds[op.Kind]
	k.ops.Add(1)
	k.retries.Add(uint64(op.Attempts - 1))
	k.messages.Add(uint64(op.Messages))
	if op.Outcome != Succeeded && op.Outcome != Ended {
		k.errors.Add(1)
	}
	k.latency.add(op.Took)
}
