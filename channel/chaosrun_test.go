//go:build linux

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/history"
	"shmring/state"
)

// A chaosRun is one run of a plan.
type chaosRun struct {
	t      testing.TB
	plan   chaosPlan
	ctx    context.Context
	cancel context.CancelCauseFunc // ends the run, with the reason of its failure
	dir    string
	hangs  atomic.Bool // the watchdog is at it

	names []string
	chs   []*channel.Channel // our own attachments

	mu    sync.Mutex // of procs, for the watchdog
	procs []*chaosProcess

	receivers []*chaosProcess // lives, in order; the last may run
	senders   []*chaosProcess // the present life of each, lane by lane
	streams   int
	lives     uint64
	discarded []int
	clock     history.Clock
	seals     []history.Op // our own

	chaosCounts
}

// chaosCounts is what was done, summed over runs.
type chaosCounts struct {
	kills, stops, processes, reopened, rollbacks, recovered int
}

func (c *chaosCounts) add(o chaosCounts) {
	c.kills += o.kills
	c.stops += o.stops
	c.processes += o.processes
	c.reopened += o.reopened
	c.rollbacks += o.rollbacks
	c.recovered += o.recovered
}

func newChaosRun(t testing.TB, dir string, plan chaosPlan) *chaosRun {
	t.Helper()
	r := &chaosRun{
		t: t, plan: plan, dir: dir, discarded: make([]int, plan.Lanes),
		clock: history.NewClock(),
	}
	r.ctx, r.cancel = context.WithCancelCause(t.Context())
	for lane := range plan.Lanes {
		r.names = append(r.names, "chaos-"+strconv.Itoa(lane))
	}
	return r
}

// runChaos runs a plan and returns what everybody wrote down, by lane.
func runChaos(t testing.TB, dir string, plan chaosPlan) ([]*history.Run, chaosCounts) {
	t.Helper()
	r := newChaosRun(t, dir, plan)
	defer r.watch()()
	defer r.end()
	r.openAll()
	r.startReceiver()
	for lane := range plan.Lanes {
		for range plan.Senders {
			r.senders = append(r.senders, r.startSender(uint8(lane), plan.Quota))
		}
	}
	r.nemesis()
	r.awaitSenders()
	r.finish()
	r.nothingLeft()
	return r.histories(), r.chaosCounts
}

func (r *chaosRun) openAll() {
	for _, name := range r.names {
		ch, err := channel.OpenOrCreate(r.ctx, name, r.plan.Options)
		require.NoError(r.t, err)
		r.chs = append(r.chs, ch)
	}
}

// start starts a process in a role.
func (r *chaosRun) start(spec chaosSpec) *chaosProcess {
	r.lives++
	spec.Names, spec.Work = r.names, r.plan.Work
	spec.Seed = r.plan.Seed + r.lives
	spec.Guard = r.plan.Options.Guard
	spec.Patient = r.plan.Ending == endRollback
	require.NoError(r.t, context.Cause(r.ctx))
	p, err := startChaosProcess(spec)
	require.NoError(r.t, err)
	go func() {
		if err := p.failure(); err != nil && !r.hangs.Load() {
			r.cancel(fmt.Errorf("seed %d: %w", r.plan.Seed, err))
		}
	}()
	r.processes++
	r.mu.Lock()
	r.procs = append(r.procs, p)
	r.mu.Unlock()
	return p
}

func (r *chaosRun) startReceiver() {
	r.receivers = append(r.receivers, r.start(chaosSpec{Role: "receiver"}))
}

func (r *chaosRun) receiver() *chaosProcess { return r.receivers[len(r.receivers)-1] }

func (r *chaosRun) startSender(lane uint8, left int) *chaosProcess {
	r.streams++
	return r.start(chaosSpec{Role: "sender", Lane: lane, Stream: r.streams, Left: left})
}

// awaitSenders waits until all senders have done their part or were refused for good.
func (r *chaosRun) awaitSenders() {
	for _, p := range r.senders {
		for p.running() {
			select {
			case <-p.done:
			case <-r.ctx.Done():
				require.NoError(r.t, context.Cause(r.ctx))
			case <-time.After(20 * time.Millisecond):
				r.repair()
			}
		}
	}
}

// finish ends the channels: somebody who may be killed tries, then we do.
func (r *chaosRun) finish() {
	for lane, ch := range r.chs {
		if r.plan.Seed%3 == 0 {
			role := "shutdown"
			if r.plan.Ending == endSeal {
				role = "seal"
			}
			p := r.start(chaosSpec{Role: role, Lane: uint8(lane)})
			r.comeUp(p, 1)
			r.pause(time.Duration(r.plan.Seed%16) * 100 * time.Microsecond)
			p.kill()
			r.kills++
		}
		r.shutdown(lane, ch)
		require.NoError(r.t, ch.Close())
	}
	for _, p := range r.live() {
		select {
		case <-p.done: // receivers get the end, controllers find the channel closed
		case <-r.ctx.Done():
			require.NoError(r.t, context.Cause(r.ctx))
		}
	}
}

// shutdown ends one channel, whatever others left of it.
func (r *chaosRun) shutdown(lane int, ch *channel.Channel) {
	var o channel.ShutdownOptions
	seal := history.Op{
		Kind: history.Seal, Outcome: history.OK, Lane: uint8(lane), Begin: r.clock.Begin(),
	}
	for {
		within := time.Minute
		if r.plan.Ending == endForce {
			o.AtDeadline, within = channel.Force, 20*time.Millisecond
		}
		ctx, cancel := context.WithTimeout(r.ctx, within)
		_, err := ch.Shutdown(ctx, o)
		cancel()
		if err == nil {
			break
		}
		if r.ctx.Err() != nil {
			require.NoError(r.t, context.Cause(r.ctx))
		}
		again := errors.Is(err, channel.ErrPeerDead) || errors.Is(err, channel.ErrState) ||
			errors.Is(err, channel.ErrBusy) || errors.Is(err, context.DeadlineExceeded) ||
			errors.Is(err, channel.ErrClosed) // somebody else forced it meanwhile
		require.True(r.t, again, "shutdown: %v", err)
		r.repair()
		runtime.Gosched()
	}
	seal.Stop = r.clock.End()
	r.seals = append(r.seals, seal)
	s := ch.Stats()
	require.Equal(r.t, state.Closed, s.State)
	require.Zero(r.t, s.Corrupt)
	r.discarded[lane] = int(s.Discarded + s.NotDelivered)
}

// nothingLeft checks that the files are gone and everybody ended well.
func (r *chaosRun) nothingLeft() {
	if r.ctx.Err() != nil {
		require.NoError(r.t, context.Cause(r.ctx))
	}
	for _, p := range r.procs {
		require.NoError(r.t, p.failure())
	}
	left, err := os.ReadDir(r.dir)
	require.NoError(r.t, err)
	require.Empty(r.t, left, "files are left")
}

// end kills whoever is left, if the run failed, and gives the logs back.
func (r *chaosRun) end() {
	defer r.cancel(nil)
	for _, p := range r.procs {
		p.kill()
		if err := p.log.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

// histories returns what everybody wrote down, by lane.
func (r *chaosRun) histories() []*history.Run {
	runs := make([]*history.Run, r.plan.Lanes)
	for lane := range runs {
		run := &history.Run{Lane: uint8(lane), Ended: true, Discarded: r.discarded[lane]}
		for _, p := range r.procs {
			ops := p.log.Ops()
			switch p.spec.Role {
			case "sender":
				run.Senders = append(run.Senders, ops)
			case "receiver":
				run.Receivers = append(run.Receivers, ops)
			case "seal":
				run.Closers = append(run.Closers, ops)
			}
		}
		run.Closers = append(run.Closers, r.seals)
		runs[lane] = run
	}
	return runs
}
