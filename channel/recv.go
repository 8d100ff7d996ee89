package channel

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"shmring/futex"
	"shmring/internal/bulk"
	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/ring"
)

// Recv returns the next message in place. It waits while there is none; ctx ends
// that. The message must be released.
//
// The end is io.EOF, returned bare: the channel is sealed and everything accepted
// was delivered. Other errors: ErrClosed for a closed receiver or, as a
// *DiscardedError, a forced close; ErrPeerDead once for a sender that died, when no
// other sender lives and all its messages were delivered; ErrState, ErrCorrupt,
// ErrOrphaned, or the context's cause.
func (rx *Receiver) Recv(ctx context.Context) (Message, error) {
	if err := rx.gate.enter(ctx); err != nil {
		return Message{}, rx.ch.fail("recv", err)
	}
	if m, ok := rx.quick(ctx); ok {
		rx.gate.leave()
		return m, nil
	}
	return rx.recvSlow(ctx)
}

// recvSlow is the rest of Recv, which has the turn and gives it back.
func (rx *Receiver) recvSlow(ctx context.Context) (Message, error) {
	defer rx.gate.leave()
	if err := rx.take(ctx); err != nil {
		return Message{}, rx.end("recv", err)
	}
	return rx.handOut(), nil
}

// quick is the usual case of take and handOut: nothing was kept or ended before, and the
// next message is there, small and plain.
func (rx *Receiver) quick(ctx context.Context) (Message, bool) {
	if rx.kept || rx.fault != nil || rx.final != nil || rx.ch.opts.Guard ||
		rx.ch.state.Load().Forced() || ctx.Err() != nil {
		return Message{}, false
	}
	pos := rx.cons.NextPos()
	data, n, ok := rx.cons.Take()
	if !ok {
		return Message{}, false
	}
	if rx.lag.run++; rx.lag.run >= rx.lag.every {
		rx.fallBack()
	}
	rx.ch.token.Acquire(race.Messages)
	return Message{rx: rx, data: data, pos: pos, meta: uint64(n)}, true
}

// TryRecv is Recv that never waits: ErrEmpty if there is no message, ErrBusy beside
// another goroutine's call.
func (rx *Receiver) TryRecv() (Message, error) {
	if err := rx.gate.tryEnter(); err != nil {
		return Message{}, rx.ch.fail("recv", err)
	}
	defer rx.gate.leave()
	switch err := rx.step(true); {
	case err == nil:
		return rx.handOut(), nil
	case isWait(err):
		return Message{}, rx.empty
	default:
		return Message{}, rx.end("recv", err)
	}
}

// RecvAppend appends the next message to dst and releases it before it returns: a
// message is lost with its receiver, never delivered twice. It waits like Recv.
func (rx *Receiver) RecvAppend(ctx context.Context, dst []byte) ([]byte, error) {
	if err := rx.gate.enter(ctx); err != nil {
		return dst, rx.ch.fail("recv", err)
	}
	defer rx.gate.leave()
	if err := rx.take(ctx); err != nil {
		return dst, rx.end("recv", err)
	}
	m, before := rx.handOut(), len(dst)
	err := rx.ch.guardData(func() error {
		dst = slices.Grow(dst, len(m.Bytes()))[:before+len(m.Bytes())]
		bulk.Copy(dst[before:], m.Bytes())
		if err := rx.verify(dst[before:]); err != nil {
			return err
		}
		rx.ch.token.Release(race.Room)
		rx.cons.Spend(m.pos)
		rx.showReleased()
		return nil
	})
	if err != nil {
		rx.giveBack(m.pos) // nobody else can
		dst = dst[:before]
	}
	return dst, rx.ch.fail("recv", err)
}

// verify compares the copy of a message with its checksum: the bytes in the segment were
// compared before they were copied, and may have changed in between.
func (rx *Receiver) verify(p []byte) error {
	if rx.ch.view.Options&layout.OptChecksums == 0 || xxhash.Sum64(p) == rx.item.Sum {
		return nil
	}
	return rx.ch.poison(&ring.CorruptError{
		Code: layout.PoisonChecksum, Detail: rx.item.Sum,
		Text: "payload changed before it was copied",
	})
}

// RecvBatch fills dst with the messages that are there and returns how many. It
// waits for the first only. Each message must be released.
func (rx *Receiver) RecvBatch(ctx context.Context, dst []Message) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	if err := rx.gate.enter(ctx); err != nil {
		return 0, rx.ch.fail("recv", err)
	}
	defer rx.gate.leave()
	if err := rx.take(ctx); err != nil {
		return 0, rx.end("recv", err)
	}
	dst[0] = rx.handOut()
	n := 1
	// A fault among the further ones is met again by the next call; n counts those before it.
	_ = rx.ch.guardData(func() error { rx.fill(dst, &n); return nil })
	return n, nil
}

// Messages iterates over the messages until the end of the channel. Each is valid
// until the next iteration and is released by the loop. io.EOF ends the loop
// silently; another error is yielded once and ends it too.
func (rx *Receiver) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		var m Message
		defer func() { m.Release() }() // also when the loop ends early or panics
		for {
			var err error
			if m, err = rx.recvAfter(ctx, m); err != nil {
				if !errors.Is(err, io.EOF) {
					yield(Message{}, err)
				}
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// recvAfter is Recv that gives back the message before in the same turn. If it gets no
// turn it returns that message, which is still to be released.
func (rx *Receiver) recvAfter(ctx context.Context, before Message) (Message, error) {
	if err := rx.gate.enter(ctx); err != nil {
		return before, rx.ch.fail("recv", err)
	}
	if before.rx != nil {
		rx.giveBack(before.pos)
	}
	if m, ok := rx.quick(ctx); ok {
		rx.gate.leave()
		return m, nil
	}
	return rx.recvSlow(ctx)
}

// take makes rx.item the next message, waiting for it. The gate is held.
func (rx *Receiver) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return rx.ch.ended(ctx, "")
	}
	rx.lag.caughtUp()
	if !rx.kept && rx.spin.Begin() > 0 {
		rx.glance()
	}
	err := rx.step(false)
	if err != nil && isWait(err) {
		return rx.wait(ctx)
	}
	return err
}

// glanceTime is how long a receiver that may spin looks at its next slot before it looks at
// anything else: about the time of some round trips.
const glanceTime = 1600 * time.Nanosecond

// glance waits a moment for the next slot. Whoever finds it empty and looks at the tail takes
// that line from the sender, who needs it for the very message that is awaited.
func (rx *Receiver) glance() {
	_ = rx.ch.guardData(func() error { // the step that follows meets the same fault
		for range rx.glances {
			if rx.cons.Ready() {
				break
			}
			futex.Pause(1)
		}
		return nil
	})
}

// handOut makes a Message of rx.item.
func (rx *Receiver) handOut() Message {
	rx.kept = false
	return newMessage(rx, &rx.item)
}

// next is one attempt at the ring.
func (rx *Receiver) next() error {
	err := rx.cons.Next(&rx.item)
	if err == nil {
		rx.ch.token.Acquire(race.Messages)
	}
	return err
}

// fill takes what more is there into dst, without settling anything: the next call meets
// the same and reports it. It counts them in n, where the first goes.
func (rx *Receiver) fill(dst []Message, n *int) {
	if rx.ch.state.Load().Forced() {
		return
	}
	at := *n
	defer func() { *n = at }() // also if the memory goes
	for at < len(dst) {
		pos := rx.cons.NextPos()
		run := rx.run[:min(len(rx.run), len(dst)-at)]
		run = run[:rx.cons.TakeRun(run)]
		for i := range run {
			dst[at+i] = Message{
				rx: rx, data: run[i].Data, pos: pos + uint64(i), meta: uint64(run[i].Len),
			}
		}
		at += len(run)
		if len(run) > 0 {
			continue
		}
		if !rx.cons.Ready() || rx.next() != nil {
			break
		}
		dst[at] = newMessage(rx, &rx.item)
		at++
	}
	rx.ch.token.Acquire(race.Messages)
}

// end wraps an error, except io.EOF.
func (rx *Receiver) end(op string, err error) error {
	if err == io.EOF { //nolint:errorlint // our own, never wrapped before this
		return err
	}
	return rx.ch.fail(op, err)
}

// isWait reports whether the ring has nothing for now.
func isWait(err error) bool {
	return err == ring.ErrEmpty || err == ring.ErrHole //nolint:errorlint // bare sentinels
}
