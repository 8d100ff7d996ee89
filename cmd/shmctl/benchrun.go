package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"os/exec"
	"syscall"
	"time"

	"shmring/channel"
	"shmring/internal/measure"
)

// A benchJob tells the other process what it is. It travels as JSON.
type benchJob struct {
	Case benchCase
	Dir  string
	Out  string // the channel that it sends to
	In   string // the channel that it receives from; empty in a stream
	Core int
}

// A benchRun is one case: this process receives, the other one sends.
type benchRun struct {
	benchCase
	out, in *channel.Channel // from the other process and, for round trips, to it
	rx      *channel.Receiver
	tx      *channel.Sender
	cmd     *exec.Cmd
	say     io.WriteCloser
	hear    *bufio.Reader
	latency *measure.Latency
	msgs    []channel.Message // room for a batch
	next    uint64            // number of the message that is due
	warm    uint64
}

// benchLead is from the order to begin to the first message that is due.
const benchLead = 20 * time.Millisecond

// benchOne measures a case.
func (a *app) benchOne(
	ctx context.Context, c benchCase, o benchOptions, cores [2]int,
) (result *benchResult, err error) {
	r := &benchRun{benchCase: c, latency: measure.NewLatency()}
	defer func() { err = first(err, r.end(err != nil)) }()
	if err := r.create(ctx, a, o); err != nil {
		return nil, err
	}
	if err := r.start(a, cores[1]); err != nil {
		return nil, err
	}
	unpin, err := measure.Pin(cores[0])
	if err != nil {
		return nil, err
	}
	defer unpin()
	return r.measure(ctx)
}

// create makes the channels of a case, with this process's ends.
func (r *benchRun) create(ctx context.Context, a *app, o benchOptions) (err error) {
	opts := channel.Options{
		Slots: o.slots, SlotSize: o.slotSize, ArenaBytes: o.arena,
		OpenOptions: channel.OpenOptions{Dir: a.segmentDir(), Spin: r.spin()},
	}
	if r.Kind == "spsc" {
		opts.Kind = channel.SPSC
	}
	if most := 4 * r.Size; o.arena == 0 && most > channel.DefaultArenaBytes {
		opts.ArenaBytes = 1 << bits.Len(uint(most-1))
	}
	name := fmt.Sprintf("bench-%d", os.Getpid())
	if r.out, err = channel.Create(ctx, name, opts); err != nil {
		return err
	}
	if r.rx, err = r.out.TryReceiver(); err != nil {
		return err
	}
	if most := r.out.MaxMessage(); r.Size > most {
		return usagef("--sizes %d: the largest message here is %d bytes: give a larger --arena",
			r.Size, most)
	}
	r.warm = uint64(max(8, min(r.out.Options().Slots, channel.DefaultArenaBytes/r.Size)))
	if r.Mode != benchTrip {
		return nil
	}
	if r.in, err = channel.Create(ctx, name+"-back", opts); err != nil {
		return err
	}
	r.tx, err = r.in.TrySender()
	return err
}

// start runs this program once more, as the other process.
func (r *benchRun) start(a *app, core int) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, to run it as the other side: %w", err)
	}
	j := benchJob{Case: r.benchCase, Dir: a.segmentDir(), Out: r.out.Name(), Core: core}
	if r.in != nil {
		j.In = r.in.Name()
	}
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	cmd := exec.Command(self, benchPeerName, string(text))
	cmd.Stderr = a.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's signals are for us
	if r.say, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	r.hear = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the other side: %w", err)
	}
	r.cmd = cmd
	return nil
}

// A benchOrder tells the other process to send some messages.
type benchOrder struct {
	From, To uint64 // To is far away where the channel's end says when to stop
	Start    int64  // zero: at once
}

// order tells the other process what to send. It answers when it is done.
func (r *benchRun) order(o benchOrder) error {
	text, err := json.Marshal(o)
	if err == nil {
		_, err = fmt.Fprintf(r.say, "%s\n", text)
	}
	return err
}

// answer waits until the other process has done what it was told.
func (r *benchRun) answer() (s measure.Spending, err error) {
	line, err := r.hear.ReadBytes('\n')
	if err != nil {
		return s, fmt.Errorf("the other side has gone: %w", err)
	}
	return s, json.Unmarshal(line, &s)
}

// measure lets the messages flow.
func (r *benchRun) measure(ctx context.Context) (*benchResult, error) {
	if _, err := r.answer(); err != nil { // it is there
		return nil, err
	}
	err := r.order(benchOrder{To: r.warm})
	if err == nil {
		err = r.take(ctx, measure.Plan{}, r.warm, 0)
	}
	if err == nil {
		_, err = r.answer()
	}
	if err != nil {
		return nil, err
	}
	plan := measure.Plan{
		Every: r.every(), Batch: r.Batch, Start: measure.Now() + int64(benchLead),
	}
	count, until := uint64(endless), plan.Start+int64(r.Time)
	if plan.Paced() {
		count = max(1, uint64(r.Time/plan.Every)) * uint64(r.Batch)
		until = 0
	}
	if err := r.order(benchOrder{From: r.warm, To: r.warm + count, Start: plan.Start}); err != nil {
		return nil, err
	}
	r.latency = measure.NewLatency()
	before := measure.Spent(r.calls)
	measure.SleepUntil(plan.Start)
	err = r.take(ctx, plan, count, until)
	took := time.Duration(measure.Now() - plan.Start)
	if err != nil {
		return nil, err
	}
	return r.result(ctx, took, before)
}

// endless is a number of messages that is never reached.
const endless = 1 << 50

// result ends a flow without a plan, and adds up.
func (r *benchRun) result(
	ctx context.Context, took time.Duration, before measure.Spending,
) (*benchResult, error) {
	n := r.next - r.warm
	spent := measure.Spent(nil).Minus(before)
	if r.every() == 0 {
		if err := r.finish(ctx); err != nil {
			return nil, err
		}
	}
	theirs, err := r.answer()
	if err != nil {
		return nil, err
	}
	calls := r.calls() - before.Syscalls
	// What they used up is for all that they sent, and may be more than was timed.
	all := float64(r.next-r.warm) / float64(n)
	theirs.CPU = time.Duration(float64(theirs.CPU) / all)
	theirs.Mallocs = uint64(float64(theirs.Mallocs) / all)
	theirs.Switches = uint64(float64(theirs.Switches) / all)
	spent.Syscalls = uint64(float64(calls) / all)
	return newBenchResult(r, n, took, spent.Plus(theirs)), nil
}

// finish ends a flow that has no end by itself, and takes what is still there.
func (r *benchRun) finish(ctx context.Context) error {
	if r.in != nil {
		return r.in.Seal("the time is over")
	}
	if err := r.out.Seal("the time is over"); err != nil {
		return err
	}
	for {
		err := r.takeBatch(ctx, nil, r.Batch)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// calls are the sleeps and wakes of everybody in the channels.
func (r *benchRun) calls() (sum uint64) {
	for _, ch := range []*channel.Channel{r.out, r.in} {
		if ch == nil {
			continue
		}
		for _, p := range ch.Participants() {
			sum += p.Parks + p.Wakes
		}
	}
	return sum
}

// end lets the other process go, or kills it after a failure, and removes the channels.
func (r *benchRun) end(failed bool) error {
	var err error
	if r.cmd != nil {
		if failed {
			_ = r.cmd.Process.Kill() // it may have ended by itself
		}
		_ = r.say.Close() // it may have gone
		err = r.cmd.Wait()
		if failed {
			err = nil // its failure follows from the first
		}
	}
	for _, ch := range []*channel.Channel{r.out, r.in} {
		if ch != nil {
			err = first(err, benchDiscard(ch), ch.Close())
		}
	}
	return err
}

// benchDiscard ends a channel with what is left in it.
func benchDiscard(ch *channel.Channel) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := ch.Shutdown(ctx, channel.ShutdownOptions{
		Reason: "the benchmark is over", AtDeadline: channel.Force,
	})
	return err
}
