//go:build linux

package manager_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/evidence"
	"shmring/internal/shmtest"
	"shmring/manager"
)

// A network is a graph of channels: a message goes from each to one of those that it depends
// on, until it comes to one that depends on none.
type network struct {
	Edges  [][]int // of each channel, by number; always to larger numbers
	Stall  int     // the receiver of this one stands still at the end; -1: nobody does
	Leaves bool    // or rather, it leaves
	Log    string  // directory of the logs
}

const (
	networkChannels  = 12
	networkProcesses = 3
)

// randomNetwork returns one in which nobody stands still, somebody does, or leaves.
func randomNetwork(rng *rand.Rand, kind int) network {
	n := network{Edges: make([][]int, networkChannels), Stall: -1}
	for i := range networkChannels - 1 {
		above := networkChannels - 1 - i
		for _, k := range rng.Perm(above)[:min(above, rng.IntN(4))] {
			n.Edges[i] = append(n.Edges[i], i+1+k)
		}
	}
	if kind > 0 {
		n.Stall, n.Leaves = rng.IntN(networkChannels), kind > 1
	}
	return n
}

func channelName(i int) string { return fmt.Sprintf("c%02d", i) }

// A traffic is what one process of a network did.
type traffic struct {
	mu        sync.Mutex
	Accepted  []uint64 // numbers of messages whose first Send returned nil
	Delivered []uint64 // that came to a channel without dependencies
	Refused   []uint64 // that a stage could not pass on, since the next channel was ended
}

func (tr *traffic) note(list *[]uint64, id uint64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	*list = append(*list, id)
}

// A worker is one process of a network.
type worker struct {
	m       *manager.Manager
	net     network
	number  int
	traffic traffic
	release chan struct{} // closed: a stalled stage goes on
	stop    chan struct{} // closed: it stalls
}

var networkProcess = channeltest.Func("network",
	func(ctx context.Context, c *channeltest.Child) error {
		w := worker{release: make(chan struct{}), stop: make(chan struct{})}
		number, err := strconv.Atoi(c.Args[1])
		if err != nil {
			return err
		}
		w.number = number
		if err := json.Unmarshal([]byte(c.Args[0]), &w.net); err != nil {
			return err
		}
		return with(manager.Options{OpTimeout: -1, Retry: patient}, func(m *manager.Manager) error {
			w.m = m
			return w.run(ctx, c)
		})
	})

func (w *worker) run(ctx context.Context, c *channeltest.Child) error {
	for i := range w.net.Edges {
		if err := declare(w.m, channelName(i)); err != nil {
			return err
		}
	}
	for i, next := range w.net.Edges {
		if i%networkProcesses != w.number {
			continue
		}
		for _, k := range next {
			if err := w.m.DependsOn(ctx, channelName(i), channelName(k)); err != nil {
				return err
			}
		}
	}
	c.Say("linked")
	var group sync.WaitGroup
	errs := make(chan error, 2*networkChannels)
	for i := range w.net.Edges {
		if i%networkProcesses == w.number {
			group.Go(func() { errs <- w.stage(ctx, i) })
		}
	}
	if _, err := c.Hear(); err != nil { // all have linked
		return err
	}
	group.Go(func() { errs <- w.load(ctx, c) })
	err := w.obey(ctx, c)
	group.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	text, merr := json.Marshal(&w.traffic)
	path := filepath.Join(w.net.Log, strconv.Itoa(w.number))
	return errors.Join(err, merr, os.WriteFile(path, text, 0o600))
}

// obey does what the test says until it says that this is the end.
func (w *worker) obey(ctx context.Context, c *channeltest.Child) error {
	for {
		switch line, err := c.Hear(); {
		case err != nil:
			return err
		case line == "stall":
			close(w.stop)
		case line == "shutdown":
			most := limit // all goes well, however slow the machine
			if w.net.Stall >= 0 {
				most = stalled
			}
			ctx, cancel := context.WithTimeout(ctx, most)
			report, err := w.m.Shutdown(ctx, manager.ShutdownOptions{AtDeadline: channel.Force})
			cancel()
			if err != nil {
				return err
			}
			text, err := json.Marshal(report)
			if err != nil {
				return err
			}
			c.Say("%s", text)
		default:
			close(w.release)
			return nil
		}
	}
}

// stage passes on what comes out of channel i.
func (w *worker) stage(ctx context.Context, i int) error {
	next := w.net.Edges[i]
	err := drainTo(ctx, w.m, channelName(i), func(msg channel.Message) error {
		id := numberOf(msg)
		if i == w.net.Stall && w.stands() {
			if w.net.Leaves {
				w.traffic.note(&w.traffic.Refused, id)
				return errLeaves
			}
			<-w.release
		}
		if len(next) == 0 {
			w.traffic.note(&w.traffic.Delivered, id)
			return nil
		}
		err := w.send(ctx, next[id%uint64(len(next))], id)
		if errors.Is(err, channel.ErrClosed) {
			w.traffic.note(&w.traffic.Refused, id)
			err = nil
		}
		return err
	})
	switch {
	case errors.Is(err, channel.ErrClosed):
		return nil // it was ended by force
	case errors.Is(err, errLeaves):
		return w.leave(ctx, i)
	}
	return err
}

var errLeaves = errors.New("the receiver leaves")

// stands reports whether the time has come to stand still.
func (w *worker) stands() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// leave gives back the role of the receiver of channel i.
func (w *worker) leave(ctx context.Context, i int) error {
	c, err := w.m.Channel(channelName(i))
	if err != nil {
		return err
	}
	rx, err := c.Receiver(ctx)
	if err != nil {
		return err
	}
	return rx.Close()
}

func (w *worker) send(ctx context.Context, i int, id uint64) error {
	out, err := w.m.Channel(channelName(i))
	if err != nil {
		return err
	}
	return out.Send(ctx, number(id))
}

// stalled is the time for an end that somebody is in the way of.
const stalled = time.Second

// warm is how many messages each process has sent before the end may come.
const warm = 200

// load sends into one channel after the other until each has ended.
func (w *worker) load(ctx context.Context, c *channeltest.Child) error {
	open := make([]int, len(w.net.Edges))
	for i := range open {
		open[i] = i
	}
	for sent := uint64(0); len(open) > 0; {
		i := int(sent) % len(open)
		id := uint64(w.number) + networkProcesses*sent
		err := w.send(ctx, open[i], id)
		switch {
		case errors.Is(err, channel.ErrClosed):
			open = slices.Delete(open, i, i+1)
			continue
		case err != nil:
			return err
		}
		w.traffic.note(&w.traffic.Accepted, id)
		if sent++; sent == warm {
			c.Say("warm")
		}
	}
	return nil
}

// TestGraphOfChannelsUnderLoadEndsInOrderAndAccountsForEveryMessage ends twelve channels of
// three processes while all of them send. In some runs a stage stands still or leaves before,
// so that what lies above it is ended by force.
func TestGraphOfChannelsUnderLoadEndsInOrderAndAccountsForEveryMessage(t *testing.T) {
	shmtest.Watchdog(t, 2*time.Hour)
	started := time.Now()
	rng, seed := shmtest.Rand(t)
	dir := channeltest.Setenv(t)
	counts := map[string]int64{"lost": 0, "duplicated": 0, "phantom": 0, "leaked": 0, "disorder": 0}
	var times []time.Duration
	for i := range evidence.Size(t, "graphruns", 5) {
		n := randomNetwork(rng, i%3)
		n.Log = t.TempDir()
		report := runNetwork(t, n, rng.IntN(networkProcesses))[0]
		n.judge(t, report, counts)
		empty(t, dir)
		times = append(times, report.Elapsed)
		counts["runs"]++
		if t.Failed() {
			t.Fatalf("run %d: %+v: %+v", i, n, report)
		}
	}
	evidence.Write(t, started, evidence.Record{
		Name: "graphs", Title: "twelve channels of three processes end in order under load",
		Guarantees: []string{"G1", "G2", "G5", "G11", "G18"}, Seed: seed, Counts: counts,
		Millis: evidence.Quantiles(times),
		Note: "times are those of Shutdown; in a third of the runs a receiver stands still, in " +
			"a third it leaves, and the deadline is 1 s; uncertain is the sum of what reports " +
			"call not delivered",
	})
}

// TestAllProcessesMayShutDownAtOnce lets every process of a graph call Shutdown: each returns
// without an error, and no message is lost over it.
func TestAllProcessesMayShutDownAtOnce(t *testing.T) {
	shmtest.Watchdog(t, limit)
	rng, _ := shmtest.Rand(t)
	dir := channeltest.Setenv(t)
	n := randomNetwork(rng, 0)
	n.Log = t.TempDir()
	for _, report := range runNetwork(t, n, 0, 1, 2) {
		n.judge(t, report, make(map[string]int64))
	}
	empty(t, dir)
}

// runNetwork runs one and returns the reports of those who end it.
func runNetwork(t *testing.T, n network, closers ...int) []manager.Report {
	t.Helper()
	text, err := json.Marshal(n)
	require.NoError(t, err)
	processes := make([]*channeltest.Process, networkProcesses)
	for i := range processes {
		processes[i] = networkProcess.Start(t, string(text), strconv.Itoa(i))
	}
	tell := func(line string) {
		for _, p := range processes {
			p.Say("%s", line)
		}
	}
	expect := func(line string) {
		for _, p := range processes {
			p.Expect(line)
		}
	}
	expect("linked")
	tell("load")
	expect("warm")
	tell("stall")
	for _, i := range closers {
		processes[i].Say("shutdown")
	}
	lines := make([]string, len(closers)) // empty from one that failed
	for k, i := range closers {
		lines[k], _ = processes[i].Hear()
	}
	tell("end")
	for _, p := range processes {
		require.NoError(t, p.Wait())
	}
	reports := make([]manager.Report, len(closers))
	for k, line := range lines {
		require.NoError(t, json.Unmarshal([]byte(line), &reports[k]))
	}
	return reports
}

// judge compares a report with the logs of the processes.
func (n network) judge(t *testing.T, report manager.Report, counts map[string]int64) {
	t.Helper()
	var sum traffic
	for i := range networkProcesses {
		text, err := os.ReadFile(filepath.Join(n.Log, strconv.Itoa(i)))
		require.NoError(t, err)
		var one traffic
		require.NoError(t, json.Unmarshal(text, &one))
		sum.Accepted = append(sum.Accepted, one.Accepted...)
		sum.Delivered = append(sum.Delivered, one.Delivered...)
		sum.Refused = append(sum.Refused, one.Refused...)
	}
	fate := make(map[uint64]int)
	for _, id := range sum.Accepted {
		fate[id] = 0
	}
	for _, id := range slices.Concat(sum.Delivered, sum.Refused) {
		_, sent := fate[id]
		assert.True(t, sent, "message %d was never accepted", id)
		fate[id]++
	}
	missing := uint64(0)
	for id, times := range fate {
		assert.LessOrEqual(t, times, 1, "message %d came twice", id)
		if times == 0 {
			missing++
		}
	}
	assert.GreaterOrEqual(t, missing, report.Discarded)
	assert.LessOrEqual(t, missing, report.Discarded+report.NotDelivered)
	if n.Stall < 0 {
		assert.Zero(t, missing)
		assert.Empty(t, sum.Refused)
	}
	at := make(map[string]int)
	for i, name := range order(report) {
		at[name] = i
	}
	assert.Len(t, at, networkChannels)
	for i, next := range n.Edges {
		for _, k := range next {
			assert.Less(t, at[channelName(i)], at[channelName(k)])
		}
	}
	counts["accepted"] += int64(len(sum.Accepted))
	counts["delivered"] += int64(len(sum.Delivered))
	counts["discarded"] += int64(report.Discarded)
	counts["uncertain"] += int64(report.NotDelivered)
	counts["refused"] += int64(len(sum.Refused))
}
