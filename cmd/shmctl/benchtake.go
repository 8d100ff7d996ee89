package main

import (
	"context"
	"fmt"

	"shmring/channel"
	"shmring/internal/measure"
)

// looks returns how many messages pass between two looks at the clock where nothing else
// looks: fewer if they are large, so that a case does not take much longer than it was told.
func (r *benchRun) looks() uint64 { return uint64(max(1, min(256, (1<<20)/r.Size))) }

// take receives count messages, or makes as many round trips, or goes on until a moment.
func (r *benchRun) take(ctx context.Context, plan measure.Plan, count uint64, until int64) error {
	if r.Mode == benchTrip {
		return r.trips(ctx, plan, count, until)
	}
	var timed *measure.Plan
	if plan.Paced() {
		timed = &plan
	}
	looked, looks := r.next, r.looks()
	for end := r.next + count; r.next < end; {
		if err := r.takeBatch(ctx, timed, int(min(uint64(r.Batch), end-r.next))); err != nil {
			return err
		}
		if until != 0 && r.next-looked >= looks {
			looked = r.next
			if measure.Now() >= until {
				return nil
			}
		}
	}
	return nil
}

// takeBatch receives up to n messages and verifies them.
func (r *benchRun) takeBatch(ctx context.Context, plan *measure.Plan, n int) error {
	if n == 1 {
		m, err := r.rx.Recv(ctx)
		if err != nil {
			return err
		}
		defer m.Release()
		return r.judge(m, plan)
	}
	if r.msgs == nil {
		r.msgs = make([]channel.Message, min(r.Batch, benchBatchRoom))
	}
	k, err := r.rx.RecvBatch(ctx, r.msgs[:min(n, len(r.msgs))])
	if err != nil {
		return err
	}
	msgs := r.msgs[:k]
	for _, m := range msgs {
		if err := r.judge(m, plan); err != nil {
			return err
		}
	}
	r.rx.ReleaseBatch(msgs)
	return nil
}

// benchBatchRoom is the most messages that are received at once.
const benchBatchRoom = 256

// judge notes when a message came, and then looks at what is in it.
func (r *benchRun) judge(m channel.Message, plan *measure.Plan) error {
	if plan != nil {
		r.latency.Record(measure.Now() - plan.Due(r.next-r.warm))
	}
	if len(m.Bytes()) != r.Size || !measure.Sound(m.Bytes(), r.next) {
		return fmt.Errorf("message %d is not what was sent", r.next)
	}
	r.next++
	return nil
}

// trips makes round trips. Each is timed: from when it was due, or from the end of the one
// before.
func (r *benchRun) trips(ctx context.Context, plan measure.Plan, count uint64, until int64) error {
	last := measure.Now()
	for end := r.next + count; r.next < end; {
		n := r.next - r.warm
		if plan.Paced() {
			plan.Await(n)
			last = plan.Due(n)
		}
		if err := benchSend(ctx, r.tx, r.Size, r.next); err != nil {
			return err
		}
		if err := r.takeBatch(ctx, nil, 1); err != nil {
			return err
		}
		now := measure.Now()
		r.latency.Record(now - last)
		last = now
		if until != 0 && now >= until {
			return nil
		}
	}
	return nil
}
