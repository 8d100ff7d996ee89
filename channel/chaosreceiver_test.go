//go:build linux

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"time"

	"shmring/channel"
	"shmring/internal/history"
)

// A chaosReceiver is one life of the receiver of all lanes. It verifies every byte, writes
// down what came before it gives it back, and gives back in any order.
type chaosReceiver struct {
	spec  chaosSpec
	rng   *rand.Rand
	log   *history.Log
	chs   []*channel.Channel
	rxs   []*channel.Receiver
	over  []bool
	held  []channel.Message
	batch []channel.Message
	buf   []byte
}

func (r *chaosReceiver) run(ctx context.Context) error {
	for lane := range r.spec.Names {
		ch, rx, err := r.open(ctx, lane)
		if err != nil {
			return err
		}
		r.chs, r.rxs, r.over = append(r.chs, ch), append(r.rxs, rx), append(r.over, rx == nil)
	}
	r.log.Note(history.Op{Kind: history.Join, Outcome: history.OK})
	r.batch = make([]channel.Message, 1+r.spec.Work.Hold)
	for slices.Contains(r.over, false) {
		lane, err := r.turn(ctx)
		err = r.ended(ctx, lane, err)
		if err != nil {
			return fmt.Errorf("lane %d: %w", lane, err)
		}
	}
	return r.leave()
}

// open takes the role of the receiver of a lane; of one that is over, nothing.
func (r *chaosReceiver) open(
	ctx context.Context, lane int,
) (ch *channel.Channel, rx *channel.Receiver, err error) {
	ch, err = r.spec.open(ctx, lane)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err == nil {
		rx, err = ch.Receiver(ctx)
	}
	return ch, rx, err
}

func (r *chaosReceiver) leave() error {
	r.release()
	for lane, rx := range r.rxs {
		if rx == nil {
			continue
		}
		if err := rx.Close(); err != nil {
			return err
		}
		r.log.Note(history.Op{Kind: history.Leave, Outcome: history.OK, Lane: uint8(lane)})
		if err := r.chs[lane].Close(); err != nil {
			return err
		}
	}
	return nil
}

// ended deals with what is no message. It returns an error that must not be.
func (r *chaosReceiver) ended(ctx context.Context, lane int, err error) error {
	switch {
	case err == nil || errors.Is(err, channel.ErrPeerDead):
		return nil
	case err == io.EOF: //nolint:errorlint // returned bare
		r.log.Note(history.Op{Kind: history.End, Outcome: history.OK, Lane: uint8(lane)})
		r.over[lane] = true
		if _, again := r.rxs[lane].TryRecv(); again != io.EOF { //nolint:errorlint // bare
			return fmt.Errorf("after the end came %w", again)
		}
		return nil
	case errors.Is(err, channel.ErrClosed):
		r.log.Note(history.Op{Kind: history.End, Outcome: history.Refused, Lane: uint8(lane)})
		r.over[lane] = true
		return nil
	case errors.Is(err, channel.ErrState) && r.spec.Patient:
		// A Rollback was killed half-way: our side has to repair that.
		if _, rerr := r.chs[lane].Recover(ctx); rerr != nil && !errors.Is(rerr, channel.ErrState) &&
			!errors.Is(rerr, channel.ErrBusy) {
			return rerr
		}
		time.Sleep(chaosPause)
		return nil
	}
	return err
}

// turn receives something of some lane.
func (r *chaosReceiver) turn(ctx context.Context) (int, error) {
	if len(r.rxs) > 1 {
		return r.any(ctx)
	}
	if len(r.held) > 0 { // whoever waits while he holds may wait for himself
		m, err := r.rxs[0].TryRecv()
		if errors.Is(err, channel.ErrEmpty) {
			r.release()
			return 0, nil
		}
		return 0, r.hold(m, err)
	}
	how := r.spec.Work.Receiver
	if how == "mixed" {
		how = pickOne(r.rng, "recv", "batch", "append", "messages")
	}
	switch how {
	case "batch":
		return 0, r.recvBatch(ctx)
	case "append":
		return 0, r.take(ctx, 0)
	case "messages":
		return 0, r.messages(ctx)
	}
	i := r.log.Begin(history.Op{Kind: history.Recv, N: 1})
	m, err := r.rxs[0].Recv(ctx)
	r.log.Finish(i, r.seen(0, m, err))
	if err != nil {
		return 0, err
	}
	r.held = append(r.held, m)
	r.tidy()
	return 0, nil
}

// any waits for any of the lanes that have not ended.
func (r *chaosReceiver) any(ctx context.Context) (int, error) {
	var ws []channel.Waitable
	var lanes []int
	for lane, rx := range r.rxs {
		if !r.over[lane] {
			ws, lanes = append(ws, rx), append(lanes, lane)
		}
	}
	r.release()
	i, err := channel.Wait(ctx, ws...)
	if err != nil {
		return 0, err
	}
	lane := lanes[i]
	if r.rng.IntN(4) == 0 {
		return lane, r.take(ctx, lane)
	}
	for range 1 + r.rng.IntN(8) {
		m, err := r.rxs[lane].TryRecv()
		if errors.Is(err, channel.ErrEmpty) {
			return lane, nil
		}
		if err != nil {
			return lane, err
		}
		r.log.Note(r.seen(lane, m, nil))
		r.held = append(r.held, m)
		if len(r.held) >= min(r.spec.Work.Hold, 4) {
			break
		}
	}
	return lane, nil
}

// seen verifies a message and says what to write down.
func (r *chaosReceiver) seen(lane int, m channel.Message, err error) history.Op {
	op := history.Op{Kind: history.Recv, Outcome: history.Failed, Lane: uint8(lane), N: 1}
	if err != nil {
		return op
	}
	if m.Redelivered() {
		op.Flags |= history.Again
	}
	return verified(op, m.Bytes())
}

func verified(op history.Op, b []byte) history.Op {
	key, named, ok := history.Verify(b)
	op.Outcome, op.Key = history.OK, key
	if !named {
		op.Flags |= history.Short
	}
	if !ok {
		op.Flags |= history.Torn
	}
	return op
}

// hold keeps a message of the one lane, or not.
func (r *chaosReceiver) hold(m channel.Message, err error) error {
	if err != nil {
		return err
	}
	r.log.Note(r.seen(0, m, nil))
	r.held = append(r.held, m)
	r.tidy()
	return nil
}

// tidy gives back some of what is held, in any order, or all if it is too much.
func (r *chaosReceiver) tidy() {
	for len(r.held) > 0 && r.rng.IntN(3) > 0 {
		i := r.rng.IntN(len(r.held))
		r.held[i].Release()
		r.held[i] = r.held[len(r.held)-1]
		r.held = r.held[:len(r.held)-1]
	}
	if len(r.held) >= r.spec.Work.Hold {
		r.release()
	}
}

// release gives back all that is held.
func (r *chaosReceiver) release() {
	r.rng.Shuffle(len(r.held), func(i, j int) { r.held[i], r.held[j] = r.held[j], r.held[i] })
	for _, m := range r.held {
		m.Release()
	}
	r.held = r.held[:0]
}

func (r *chaosReceiver) recvBatch(ctx context.Context) error {
	n, err := r.rxs[0].RecvBatch(ctx, r.batch)
	for _, m := range r.batch[:n] {
		r.log.Note(r.seen(0, m, nil))
	}
	if r.rng.IntN(2) == 0 {
		r.rxs[0].ReleaseBatch(r.batch[:n])
		return err
	}
	r.held = append(r.held, r.batch[:n]...)
	r.release()
	return err
}

// take receives at most once; now and then behind messages that are held.
func (r *chaosReceiver) take(ctx context.Context, lane int) error {
	for r.rng.IntN(4) == 0 && len(r.held) < r.spec.Work.Hold {
		m, err := r.rxs[lane].TryRecv()
		if err != nil {
			break // the call below meets it again
		}
		r.log.Note(r.seen(lane, m, nil))
		r.held = append(r.held, m)
	}
	if len(r.held) > 0 { // what we hold may be what the sender needs
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
	}
	op := history.Op{Kind: history.Take, Lane: uint8(lane), N: 1}
	i := r.log.Begin(op)
	var err error
	if r.buf, err = r.rxs[lane].RecvAppend(ctx, r.buf[:0]); err != nil {
		op.Outcome = history.Failed
	} else {
		op = verified(op, r.buf)
	}
	op.Flags |= history.Again // it does not say; a receiver before was killed with it in hand
	r.log.Finish(i, op)
	r.release()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// messages is the loop, for a while.
func (r *chaosReceiver) messages(ctx context.Context) error {
	left := 1 + r.rng.IntN(200)
	for m, err := range r.rxs[0].Messages(ctx) {
		if err != nil {
			return err
		}
		r.log.Note(r.seen(0, m, nil))
		if left--; left <= 0 {
			return nil
		}
	}
	return io.EOF // the loop does not tell it
}
