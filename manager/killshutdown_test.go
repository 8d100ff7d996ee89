//go:build fault

package manager_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/evidence"
	"shmring/internal/fault"
	"shmring/internal/shmtest"
	"shmring/manager"
)

// hurried is the time of those who shall come to their deadline.
const hurried = 30 * time.Millisecond

// mortals are what a process does that is killed over it.
var mortals = map[string]func(ctx context.Context, m *manager.Manager) error{
	"closer": func(ctx context.Context, m *manager.Manager) error {
		_, err := m.Shutdown(ctx, manager.ShutdownOptions{})
		return err
	},
	"forcer": func(ctx context.Context, m *manager.Manager) error {
		ctx, cancel := context.WithTimeout(ctx, hurried)
		defer cancel()
		_, err := m.Shutdown(ctx, manager.ShutdownOptions{AtDeadline: channel.Force})
		return err
	},
	"recoverer": func(ctx context.Context, m *manager.Manager) error {
		_, err := m.Recover(ctx, "in")
		return err
	},
}

// mortalProcess does one of them and is killed at the point of that number, 0 for none. It
// says how many it passed. Its Manager has opened nothing before.
var mortalProcess = channeltest.Func("mortal",
	func(ctx context.Context, c *channeltest.Child) error {
		o := manager.Options{Retry: func() manager.Backoff {
			return &manager.Exponential{Attempts: 6}
		}}
		m, err := manager.New(o)
		if err != nil {
			return err
		}
		if err := declare(m, "in", "out"); err != nil {
			return err
		}
		var passed atomic.Int64
		fault.SetHook(func(string) { passed.Add(1) })
		if c.Args[1] != "0" {
			if err := fault.SetRules("*:kill:" + c.Args[1]); err != nil {
				return err
			}
		}
		c.Say("begin")
		err = errors.Join(mortals[c.Args[0]](ctx, m), m.Close())
		if errors.Is(err, channel.ErrPeerDead) || errors.Is(err, manager.ErrNotEnded) {
			err = nil // nobody was there to receive
		}
		c.Say("%d", passed.Load())
		return err
	})

// An undertaking is a row of this test: who is killed, over what.
type undertaking struct {
	role  string
	alone bool // nobody else is attached when it dies
	left  []int
	most  int // points that it passed when nobody killed it
}

// next returns the point for the next kill: each comes once before one comes again.
func (u *undertaking) next(rng *rand.Rand) int {
	if len(u.left) == 0 {
		u.left = rng.Perm(u.most)
	}
	n := u.left[0]
	u.left = u.left[1:]
	return n + 1
}

func TestKillOfACloserAnywhereIsCompletedByAnother(t *testing.T) {
	shmtest.Watchdog(t, 6*time.Hour)
	started := time.Now()
	dir := channeltest.Setenv(t)
	rng, seed := shmtest.Rand(t)
	all := []*undertaking{
		{role: "closer"},
		{role: "forcer"},
		{role: "recoverer"},
		{role: "closer", alone: true},
		{role: "forcer", alone: true},
		{role: "recoverer", alone: true},
	}
	counts := map[string]int64{
		"lost": 0, "duplicated": 0, "leaked": 0, "hung": 0, "kills": 0, "messages": 0,
	}
	run := func(u *undertaking, points ...int) int {
		f := &funeral{t: t, dir: dir, undertaking: u}
		passed := f.run(points)
		if t.Failed() {
			t.Fatalf("%s, alone %v, killed at points %v", u.role, u.alone, points)
		}
		counts["kills"] += int64(f.kills)
		counts["messages"] += int64(f.sent.Load())
		return passed
	}
	for _, u := range all {
		u.most = run(u, 0)
		require.Positive(t, u.most)
		counts["points"] += int64(u.most)
	}
	for i := range evidence.Size(t, "shutdownkills", 36) {
		u := all[i%len(all)]
		points := []int{u.next(rng)}
		if rng.IntN(4) == 0 {
			points = append(points, 1+rng.IntN(u.most)) // and so does the next
		}
		run(u, points...)
	}
	evidence.Write(t, started, evidence.Record{
		Name: "shutdowns", Title: "a manager is killed anywhere in a shutdown or a recovery",
		Guarantees: []string{"G1", "G6", "G8", "G18"}, Seed: seed, Counts: counts,
		Note: "two channels and a resource; another process completes each; points are those " +
			"that the six undertakings pass when nobody is killed",
	})
}

// A funeral is one trial.
type funeral struct {
	t   *testing.T
	dir string
	*undertaking

	ctx   context.Context
	m     *manager.Manager
	sent  atomic.Uint64 // accepted by the first channel, in order
	got   []uint64
	ended chan error // of whoever sends or receives here
	parts int
	kills int
	watch map[string]*channel.Channel // from outside
}

// run lets one process after the other die at its point, and completes their work. It
// returns how many points the last one passed, if it lived.
func (f *funeral) run(points []int) (passed int) {
	ctx, cancel := context.WithTimeout(f.t.Context(), limit)
	defer cancel()
	f.ctx, f.ended = ctx, make(chan error, 8)
	f.open()
	f.prepare()
	if f.alone {
		require.NoError(f.t, f.m.Close())
	}
	for i, point := range points {
		p := mortalProcess.Start(f.t, f.role, strconv.Itoa(point))
		if line, ok := p.Hear(); ok && line == "begin" && i == 0 && !f.alone {
			f.begin()
		}
		line, ok := p.Hear()
		err := p.Wait()
		if !ok {
			f.kills++
			require.ErrorContains(f.t, err, "signal: killed")
			continue
		}
		require.NoError(f.t, err)
		passed, err = strconv.Atoi(line)
		require.NoError(f.t, err)
	}
	if f.alone {
		f.open()
		f.begin()
	}
	f.complete()
	return passed
}

// open makes a Manager and attaches. A channel that was ended by the dead is not made anew.
func (f *funeral) open() {
	var err error
	f.m, err = manager.New(manager.Options{Dir: f.dir, Retry: patient})
	require.NoError(f.t, err)
	require.NoError(f.t, declarePersistent(f.m, "in", "out"))
}

func declarePersistent(m *manager.Manager, names ...string) error {
	for _, name := range names {
		err := m.Declare(name, manager.Spec{Options: channel.Options{
			Slots: 16, ArenaBytes: channel.NoArena, Lifetime: channel.Persistent,
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the channels, and what is in them.
func (f *funeral) prepare() {
	require.NoError(f.t, f.m.DependsOn(f.ctx, "in", "out"))
	f.watch = make(map[string]*channel.Channel)
	for _, name := range []string{"in", "out"} {
		ch, err := channel.Open(f.ctx, name, channel.OpenOptions{Dir: f.dir, ReadOnly: true})
		require.NoError(f.t, err)
		f.watch[name] = ch
	}
	const most = 12 // fewer than there is room for
	require.NoError(f.t, sendNumbers(f.ctx, f.m, "in", 1, most))
	f.sent.Store(most)
	if f.role != "recoverer" {
		return
	}
	entries, err := channel.List(f.dir)
	require.NoError(f.t, err)
	require.Equal(f.t, "in", entries[0].Name)
	first := int64(entries[0].Geometry.SlotsOff)
	require.NoError(f.t, writeAt(f.watch["in"].Path(), bytes.Repeat([]byte{0x55}, 8), first))
	// By an attachment of its own, whose role is free again.
	other, err := channel.Open(f.ctx, "in", channel.OpenOptions{Dir: f.dir})
	require.NoError(f.t, err)
	rx, err := other.Receiver(f.ctx)
	require.NoError(f.t, err)
	_, err = rx.Recv(f.ctx)
	require.ErrorIs(f.t, err, channel.ErrCorrupt)
	require.NoError(f.t, other.Close())
}

// part runs a sender or receiver beside the victims.
func (f *funeral) part(do func() error) {
	f.parts++
	go func() { f.ended <- do() }()
}

// begin lets others work in both channels. Beside a forcer nobody receives.
func (f *funeral) begin() {
	if f.role == "recoverer" {
		return // who receives is in the way of a recovery
	}
	if !f.alone {
		f.part(f.send)
	}
	if f.role == "closer" {
		f.receive()
	}
}

func (f *funeral) receive() {
	f.part(func() error { return stage(f.ctx, f.m, "in", "out") })
	f.part(func() error {
		return drainTo(f.ctx, f.m, "out", func(msg channel.Message) error {
			f.got = append(f.got, numberOf(msg))
			return nil
		})
	})
}

// send sends until the end of the channel.
func (f *funeral) send() error {
	for {
		next := f.sent.Load() + 1
		err := sendNumbers(f.ctx, f.m, "in", next, next)
		if errors.Is(err, channel.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		f.sent.Store(next)
	}
}

// complete is what another process does that finds the dead.
func (f *funeral) complete() {
	o := manager.ShutdownOptions{}
	ctx := f.ctx
	closed := 0
	require.NoError(f.t, f.m.Register(recorder{"worker", func(context.Context) error {
		closed++
		return nil
	}}, "out"))
	require.NoError(f.t, f.m.DependsOn(ctx, "in", "worker"))
	switch f.role {
	case "recoverer":
		_, err := f.m.Recover(ctx, "in")
		require.NoError(f.t, err)
		f.receive()
	case "forcer":
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hurried)
		defer cancel()
		o.AtDeadline = channel.Force
	}
	report, err := f.m.Shutdown(ctx, o)
	require.NoError(f.t, err)
	require.Len(f.t, report.Ends, 3)
	require.Equal(f.t, 1, closed)
	for range f.parts {
		require.NoError(f.t, <-f.ended)
	}
	require.NoError(f.t, f.m.Close())
	f.account()
	empty(f.t, f.dir)
}

// account looks whether everything that was accepted is somewhere.
func (f *funeral) account() {
	discarded := uint64(0)
	for _, ch := range f.watch {
		discarded += ch.Stats().Discarded
		require.NoError(f.t, ch.Close())
	}
	var want []uint64
	first := uint64(1)
	if f.role == "recoverer" {
		first = 2 // the other one was damaged
	}
	if f.role != "forcer" {
		for i := first; i <= f.sent.Load(); i++ {
			want = append(want, i)
		}
	} else {
		require.Equal(f.t, f.sent.Load(), discarded, "accepted, and counted as discarded")
	}
	require.Equal(f.t, fmt.Sprint(want), fmt.Sprint(f.got))
}
