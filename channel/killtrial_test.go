//go:build fault

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

// A setting is what a victim finds.
type setting int

const (
	absent   setting = iota // no channel
	empty                   // a channel without messages
	seeded                  // four messages wait in it
	poisoned                // the third of them is damaged, which nobody has seen yet
	damaged                 // somebody saw it: ERROR
)

// A killRow is a row of the matrix is one role in one conversation.
type killRow struct {
	role     string
	kind     channel.Kind
	setting  setting
	senders  int    // that live beside the victim, in processes of their own
	receiver bool   // lives beside the victim
	before   string // who was there before, and its rule: "sender ring.x:kill"
	event    bool   // the victim uses an event; receiver means a sleeper
}

func (r killRow) String() string {
	kind := "MPSC"
	switch {
	case r.event:
		kind = "an event"
	case r.kind == channel.SPSC:
		kind = "SPSC"
	}
	text := fmt.Sprintf("%s of %s, %s", r.role, kind,
		[...]string{"absent", "empty", "seeded", "poisoned", "damaged"}[r.setting])
	if r.senders > 0 {
		text += fmt.Sprintf(", %d senders", r.senders)
	}
	if r.receiver {
		text += ", a receiver"
	}
	if r.before != "" {
		text += ", after " + r.before
	}
	return text
}

// A killStep is one victim of a trial.
type killStep struct {
	role string
	rule string // empty: it ends by itself
}

// A killer runs trials, one after the other, in a directory of its own.
type killer struct {
	dir    string
	book   *ledger
	path   string // of the book
	record string // file for the points that were passed
	stderr *os.File
	counts tallies
	killed atomic.Int64 // counts.kills, for others
	pid    atomic.Int64 // of the victim at work, for who finds that it hangs
}

// tallies are what a campaign adds up.
type tallies struct {
	trials, kills, panics, stops, pairs, triples int64
	acked, delivered, redelivered, lost, holes   int64
	duplicated, torn, hung, leaked, unharmed     int64
	byRole                                       map[string]int64
}

func newKiller(t testing.TB, root string, i int) *killer {
	t.Helper()
	scratch := t.TempDir()
	w := &killer{
		dir: filepath.Join(root, fmt.Sprintf("w%d", i)), path: filepath.Join(scratch, "book"),
		record: filepath.Join(scratch, "points"),
	}
	w.counts.byRole = make(map[string]int64)
	var err error
	if err = os.Mkdir(w.dir, 0o700); err == nil {
		w.book, err = openLedger(w.path)
	}
	if err == nil {
		w.stderr, err = os.OpenFile(filepath.Join(scratch, "stderr"),
			os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// close removes the directory, which must be empty.
func (w *killer) close() error { return errors.Join(os.Remove(w.dir), w.stderr.Close()) }

// start runs a part in a process of its own, with as little around it as possible: most
// of the time of a kill is that of a start.
func (w *killer) start(s killStep, number int, record bool) (pid int, err error) {
	if err := w.stderr.Truncate(0); err != nil {
		return 0, err
	}
	env := []string{
		shmtest.EnvChild + "=victim", fault.EnvVar + "=" + s.rule, "GOGC=off",
		"GOMAXPROCS=2", "GOTRACEBACK=all", "GORACE=atexit_sleep_ms=0", "HOME=/",
	}
	if record {
		env = append(env, envRecord+"="+w.record)
	}
	fd := w.stderr.Fd()
	return syscall.ForkExec(os.Args[0],
		[]string{os.Args[0], w.dir, w.path, s.role, fmt.Sprint(number)},
		&syscall.ProcAttr{
			Env: env, Files: []uintptr{uintptr(syscall.Stdin), fd, fd},
			Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
		})
}

// wait waits for a change of a child.
func waitChange(pid, options int) (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, options, nil)
		if !errors.Is(err, syscall.EINTR) {
			return status, err
		}
	}
}

// say returns what the victim wrote before its end.
func (w *killer) say() string {
	text, err := os.ReadFile(w.stderr.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[:min(len(text), 20000)])
}

// A killTrial is one conversation with one or more victims, one after the other.
type killTrial struct {
	*killer
	killRow
	ctx    context.Context
	ch     *channel.Channel // ours, while we are attached
	watch  *channel.Channel // attached read-only, to see the end
	got    *catch           // of our receiver
	others []*company
	group  sync.WaitGroup // receiver and senders
	steps  []killStep
	robbed uint64 // appended messages that a kill may have taken along
	forced bool   // somebody may have given up messages
	over   bool   // somebody sealed, ended or replaced the channel, or may have
}

// hang is when a trial is taken for hanging.
const hang = 20 * time.Second

// whereAsleep says in which state the threads of a process are, and where in the kernel.
func whereAsleep(pid int) string {
	var b strings.Builder
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		stat, _ := os.ReadFile(filepath.Join(task, "stat"))
		wchan, _ := os.ReadFile(filepath.Join(task, "wchan"))
		stack, _ := os.ReadFile(filepath.Join(task, "stack"))
		fmt.Fprintf(&b, "%.60s %s\n%s", stat, wchan, stack)
	}
	return b.String()
}

// run makes one trial. A step without a rule is recorded, and its points returned.
func (w *killer) run(ctx context.Context, r killRow, steps ...killStep) (map[string]int, error) {
	timer := time.AfterFunc(hang, func() {
		kernel := ""
		if pid := int(w.pid.Load()); pid != 0 {
			kernel = whereAsleep(pid)
			_ = syscall.Kill(pid, syscall.SIGQUIT) // it says where it is
			time.Sleep(time.Second)
		}
		panic(fmt.Sprintf("hangs: %v, %+v; victim: %s\n%s", r, steps, kernel, w.say()))
	})
	defer timer.Stop()
	w.book.clear()
	w.counts.trials++
	x := &killTrial{killer: w, killRow: r, ctx: ctx, steps: steps}
	points, err := x.play()
	if err != nil {
		err = fmt.Errorf("%v, %+v: %w; stderr: %s", r, steps, err, w.say())
	}
	return points, err
}

func (x *killTrial) play() (points map[string]int, err error) {
	if x.event {
		return x.playEvent()
	}
	if err := x.prepare(); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	if points, err = x.victims(); err != nil {
		return nil, err
	}
	if err := x.finish(); err != nil {
		return points, fmt.Errorf("afterwards: %w", err)
	}
	if err := x.account(); err != nil {
		return points, err
	}
	return points, x.history()
}

// victims runs all steps, one after the other.
func (x *killTrial) victims() (points map[string]int, err error) {
	var all []killStep
	if x.before != "" {
		role, rule, _ := strings.Cut(x.before, " ")
		all = append(all, killStep{role, rule})
	}
	killed := 0
	for i, s := range append(all, x.steps...) {
		dead, err := x.victim(s, 4+i)
		if err != nil {
			return nil, err
		}
		if dead {
			killed++
		}
	}
	switch killed {
	case 0, 1:
	case 2:
		x.counts.pairs++
	default:
		x.counts.triples++
	}
	if x.steps[len(x.steps)-1].rule == "" {
		return readPoints(x.record)
	}
	return nil, nil
}

func readPoints(path string) (map[string]int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	points := make(map[string]int)
	for line := range strings.Lines(string(text)) {
		var name string
		var n int
		if _, err := fmt.Sscanf(line, "%s %d", &name, &n); err != nil {
			return nil, err
		}
		points[name] = n
	}
	return points, nil
}

// prepare makes the channel and the victim's company.
func (x *killTrial) prepare() error {
	if x.setting == absent {
		return nil
	}
	ch, err := channel.Create(x.ctx, "q", plain(x.dir, x.kind))
	if err != nil {
		return err
	}
	x.ch = ch
	x.watch, err = channel.Open(x.ctx, "q",
		channel.OpenOptions{Dir: x.dir, ReadOnly: true})
	if err != nil {
		return err
	}
	if x.setting >= seeded {
		if err := x.seed(); err != nil {
			return err
		}
	}
	if x.receiver {
		rx, err := ch.TryReceiver()
		if err != nil {
			return err
		}
		x.collect(rx)
	}
	for i := range x.senders {
		if err := x.accompany(1 + i); err != nil {
			return err
		}
	}
	if x.receiver {
		return nil
	}
	x.ch = nil
	return ch.Close() // whoever comes next is who settles and repairs
}

// seed sends four messages, and damages one.
func (x *killTrial) seed() error {
	tx, err := x.ch.TrySender()
	if err != nil {
		return err
	}
	for i := range uint64(4) {
		x.book.begun[0].Store(i + 1)
		if err := tx.Send(x.ctx, message(0, i)); err != nil {
			return err
		}
		x.book.acked[0].Store(i + 1)
	}
	if err := tx.Close(); err != nil || x.setting == seeded {
		return err
	}
	word := layout.Word(x.ch.View().Slots, 2*uint64(x.ch.View().SlotSize))
	word.Store(0xdead_beef_dead_beef)
	if x.setting == poisoned {
		return nil
	}
	layout.Word(x.ch.View().Slots, 6*uint64(x.ch.View().SlotSize)).Store(0xdead) // a free slot
	x.ch.View().Participants[5].Intent.Store(^uint64(0))
	rx, err := x.ch.TryReceiver()
	if err != nil {
		return err
	}
	for i := range uint64(3) {
		m, err := rx.TryRecv()
		if i == 2 && errors.Is(err, channel.ErrCorrupt) {
			return rx.Close()
		}
		if err != nil {
			return err
		}
		markMessage(x.book.given[0], i)
		m.Release()
	}
	return errors.New("the damage was not seen")
}

// victim runs one step to its end and reports whether it was killed.
func (x *killTrial) victim(s killStep, number int) (dead bool, err error) {
	pid, err := x.start(s, number, s.rule == "")
	if err != nil {
		return false, err
	}
	x.pid.Store(int64(pid))
	defer x.pid.Store(0)
	switch s.role {
	case "forcer":
		x.forced, x.over = true, true
	case "closer", "creator", "opener", "remover", "rollback", "sealer", "drainer":
		x.over = true
	}
	status, err := waitChange(pid, syscall.WUNTRACED)
	if err != nil {
		return false, err
	}
	if status.Stopped() && !strings.Contains(s.rule, ":stop") {
		return false, errors.New("somebody else stopped the victim: is a pid used anew " +
			"(kernel.pid_max) that another program signals?")
	}
	if status.Stopped() {
		x.counts.stops++
		if err := x.whileStopped(pid); err != nil {
			return false, err
		}
		if status, err = waitChange(pid, 0); err != nil {
			return false, err
		}
	}
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		x.counts.kills++
		x.killed.Add(1)
		x.counts.byRole[s.role]++
		dead = true
	case status.Exited() && status.ExitStatus() == 2 && strings.Contains(s.rule, ":panic"):
		x.counts.panics++
		dead = true
	case status.Exited() && status.ExitStatus() == 0:
		x.counts.unharmed++
	default:
		return false, fmt.Errorf("the %s ended with %v", s.role, status)
	}
	if dead && s.role == "appender" {
		x.robbed++
	}
	return dead, nil
}

// whileStopped does what might rob somebody who is stopped, and lets him go on: an
// attachment looks for the dead, and a receiver, if there is none, for holes.
func (x *killTrial) whileStopped(pid int) (err error) {
	var ch *channel.Channel
	if x.setting != absent && !x.event {
		// Whoever is stopped while he lets the segment go makes others wait.
		ctx, cancel := context.WithTimeout(x.ctx, moment)
		defer cancel()
		ch, err = channel.Open(ctx, "q", channel.OpenOptions{Dir: x.dir})
		if !isExpected(err) {
			return err
		}
		err = nil
	}
	var rx *channel.Receiver
	if ch != nil {
		if rx, err = ch.TryReceiver(); err == nil {
			err = x.glimpse(rx, pid)
		} else if isExpected(err) {
			err = nil
		}
	}
	if kerr := syscall.Kill(pid, syscall.SIGCONT); kerr != nil {
		return kerr
	}
	if err != nil || ch == nil {
		return err
	}
	return ch.Close()
}

// glimpse receives what there is while a victim is stopped.
func (x *killTrial) glimpse(rx *channel.Receiver, stopped int) error {
	for {
		m, err := rx.TryRecv()
		var dead *channel.PeerError
		switch {
		case errors.As(err, &dead):
			if int(dead.PID) == stopped {
				return errors.New("somebody who is stopped was taken for dead")
			}
			continue
		case err != nil:
			if isExpected(err) || errors.Is(err, channel.ErrEmpty) || errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		who, i, err := verify(m.Bytes())
		if err != nil {
			return err
		}
		markMessage(x.book.given[who], i)
		m.Release()
	}
}

// account compares what was acknowledged with what arrived.
func (x *killTrial) account() error {
	missing := uint64(0)
	for who := range writers {
		acked, begun := x.book.acked[who].Load(), x.book.begun[who].Load()
		given, taken := x.book.given[who].Load(), x.book.taken[who].Load()
		last := uint64(0)
		if x.got != nil {
			last = x.got.seen[who]
		}
		if twice := last & taken; twice != 0 {
			x.counts.duplicated++
			return fmt.Errorf("sender %d: messages %b came after RecvAppend had returned them",
				who, twice)
		}
		if x.got != nil {
			if bad := last & given &^ x.got.again[who]; bad != 0 {
				return fmt.Errorf("sender %d: messages %b came again without saying so", who, bad)
			}
		}
		all := last | given | taken
		if phantom := all >> begun; phantom != 0 {
			return fmt.Errorf("sender %d: messages %b were never sent", who, phantom<<begun)
		}
		lost := (uint64(1)<<acked - 1) &^ all
		if x.setting >= poisoned && who == 0 {
			lost &^= 1 << 2 // the damaged one
		}
		missing += uint64(bits.OnesCount64(lost))
		x.counts.acked += int64(acked)
		x.counts.delivered += int64(bits.OnesCount64(all))
	}
	return x.judge(missing)
}

// judge decides whether that so many acknowledged messages did not arrive is all right.
func (x *killTrial) judge(missing uint64) error {
	if missing <= x.robbed {
		return nil
	}
	counted := uint64(0)
	if x.watch != nil {
		s := x.watch.Stats()
		counted = s.Discarded + s.NotDelivered
		if s.State != state.Closed {
			counted = 0
		}
	}
	if x.forced && missing <= x.robbed+counted {
		return nil
	}
	x.counts.lost += int64(missing)
	return fmt.Errorf("%d acknowledged messages did not arrive, %d were counted", missing, counted)
}
