package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"shmring/channel"
	"shmring/internal/measure"
	"shmring/internal/shmtest"
)

// peerName is the child function of every benchmark.
const peerName = "bench-peer"

// watchdog ends a benchmark that hangs. One invocation takes seconds.
const watchdog = 2 * time.Minute

// A job tells a peer what it is. It travels as JSON.
type job struct {
	Kind     string        // key of peerKinds
	Core     int           // to pin to, or measure.AnyCore
	Sender   uint64        // which sender this is, from zero
	Channels []string      // names
	Spin     time.Duration // OpenOptions.Spin
	Size     int           // bytes of a message
	Batch    int           // messages sent at once
	Slots    int           // buffers of a bare pipeline
	Plan     measure.Plan  // when messages are due, after the start
	Answer   int           // bytes of an answer
	LineFD   int           // of the memory to measure the way between the cores; zero: not
}

// A stint is the work of one side for the messages with numbers from ≤ n < to.
type stint func(from, to uint64) error

// peerKinds are the bodies of peers. Each prepares itself and then calls serve.
var peerKinds = map[string]func(*peer) error{
	"echo":        echoPeer,
	"send":        sendPeer,
	"reserve":     reservePeer,
	"copy-in":     copyInPeer,
	"bare-spin":   bareSpinPeer,
	"bare-futex":  bareFutexPeer,
	"bare-fd":     bareFDPeer,
	"bare-copier": bareCopierPeer,
	"source":      sourcePeer,
	"sink":        sinkPeer,
	"answer":      answerPeer,
	"endless":     endlessPeer,
	"http":        httpPeer,
	"bare-source": bareSourcePeer,
	"slow":        slowPeer,
	"idle":        idlePeer,
	"doomed":      doomedPeer,
}

// A peer is the other side, in the process that plays it.
type peer struct {
	job
	conn *shmtest.Conn
}

func peerMain(c *shmtest.Conn, args []string) error {
	p := &peer{conn: c}
	if err := json.Unmarshal([]byte(args[0]), &p.job); err != nil {
		return err
	}
	f := peerKinds[p.Kind]
	if f == nil {
		return fmt.Errorf("no peer %q", p.Kind)
	}
	if err := f(p); err != nil {
		return fmt.Errorf("%s: %w", p.Kind, err)
	}
	return nil
}

// open attaches to one of the job's channels.
func (p *peer) open(i int) (*channel.Channel, error) {
	return channel.Open(context.Background(), p.Channels[i], channel.OpenOptions{Spin: p.Spin})
}

// serve does the work that the parent orders: some messages to warm up, those that
// count, and some more for another pass. It ends when the parent has seen the result.
func (p *peer) serve(work stint, syscalls func() uint64) error {
	unpin, err := measure.Pin(p.Core)
	if err != nil {
		return err
	}
	defer unpin()
	p.conn.Say("ready")
	var warm, n, extra uint64
	if _, err := fmt.Sscan(p.conn.Hear(), &warm, &n, &extra); err != nil {
		return err
	}
	answer, err := p.line()
	if err != nil {
		return err
	}
	answer(0)
	if err := work(0, warm); err != nil {
		return err
	}
	before := measure.Spent(syscalls)
	if err := work(warm, warm+n); err != nil {
		return err
	}
	after := measure.Spent(syscalls)
	if err := work(warm+n, warm+n+extra); err != nil {
		return err
	}
	answer(lineBlocks * lineTrips)
	report, err := json.Marshal(after.Minus(before))
	if err != nil {
		return err
	}
	p.conn.Say("%s", report)
	if bye := p.conn.Hear(); bye != "bye" {
		return fmt.Errorf("parent said %q", bye)
	}
	return nil
}

// line returns what answers the parent's measurement of the way between the cores.
func (p *peer) line() (func(first uint64), error) {
	if p.LineFD == 0 {
		return func(uint64) {}, nil
	}
	mem, err := mapShared(p.LineFD, wordsBytes)
	if err != nil {
		return nil, err
	}
	return func(first uint64) { answerLine(wordsIn(mem), first) }, nil
}

// A run is one invocation of a benchmark's body: by testing.B for figures, by a test to
// see that it works.
type run struct {
	testing.TB
	n           uint64
	start, stop func()
	metric      func(v float64, unit string)
	bytes       func(perMessage int64)
	wantLine    bool // measure the way between the cores

	together bool          // both sides on one core
	size     int           // bytes of a message, where load is to tell it
	took     time.Duration // for the messages that count
	peers    []*shmtest.Child
	line     *words  // shared with the first peer; nil if not wanted or on one core
	before   float64 // nanoseconds of the way between the cores, before what is measured
}

// begin gives the run a directory of segments and a watchdog.
func (r *run) begin() {
	r.Helper()
	r.beginFor(0)
}

// beginFor is begin for a run whose plan lasts some time.
func (r *run) beginFor(planned time.Duration) {
	r.Helper()
	shmtest.Dir(r)
	shmtest.Watchdog(r, watchdog+planned)
}

// core returns the core of a side: zero is the parent, others are its peers.
func (r *run) core(side int) int {
	if cores := measure.Cores(); r.together && len(cores) > 0 {
		return cores[0]
	}
	return core(side)
}

// core is that of a side if each is to have its own.
func core(side int) int {
	cores := measure.Cores()
	if len(cores) < 2 {
		return measure.AnyCore
	}
	if side == 0 {
		return cores[0]
	}
	return cores[1+(side-1)%(len(cores)-1)]
}

// needTwoCores skips what makes no sense if the two sides cannot run at once.
func (r *run) needTwoCores() {
	r.Helper()
	if len(measure.Cores()) < 2 {
		r.Skip("needs two cores")
	}
}

// peer starts the other side. Files are passed on from descriptor 3.
func (r *run) peer(j job, files ...*os.File) {
	r.Helper()
	j.Core = r.core(1 + len(r.peers))
	if r.wantLine && len(r.peers) == 0 && j.Core != measure.AnyCore && !r.together {
		mem, f := r.shared(wordsBytes)
		r.line, j.LineFD = wordsIn(mem), firstFD+len(files)
		files = append(files, f)
	}
	text, err := json.Marshal(j)
	r.check(err)
	r.peers = append(r.peers, shmtest.StartFiles(r, peerName, files, string(text)))
}

func (r *run) check(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err, r.complaints())
	}
}

// complaints tells what peers wrote before they ended.
func (r *run) complaints() string {
	var all strings.Builder
	for _, c := range r.peers {
		if !c.Running() {
			if err := c.Wait(); err != nil {
				fmt.Fprintf(&all, "; %v", err)
			}
		}
	}
	return all.String()
}

// share is how many of n messages peer i of the run gets.
func (r *run) share(n uint64, i int) uint64 {
	k := uint64(len(r.peers))
	if uint64(i) < n%k {
		return n/k + 1
	}
	return n / k
}

// exchange runs both sides: warm messages, then those that count, then what extra says
// in a pass of its own. It reports what both sides spent on a message.
func (r *run) exchange(warm uint64, work stint, syscalls func() uint64, extra *tripTimes) {
	r.Helper()
	for _, c := range r.peers {
		c.Expect("ready")
	}
	unpin, err := measure.Pin(r.core(0))
	r.check(err)
	r.Cleanup(unpin)
	more := extra.count()
	for i, c := range r.peers {
		c.Say("%d %d %d", r.share(warm, i), r.share(r.n, i), more)
	}
	line := r.passLine(0)
	r.check(work(0, warm))
	before := measure.Spent(syscalls)
	r.start()
	began := measure.Now()
	err = work(warm, warm+r.n)
	r.took = time.Duration(measure.Now() - began)
	r.stop()
	r.check(err)
	spent := measure.Spent(syscalls).Minus(before)
	r.check(extra.take(warm + r.n))
	line = max(line, r.passLine(lineBlocks*lineTrips))
	for _, c := range r.peers {
		line, _ := c.Hear()
		var theirs measure.Spending
		if err := json.Unmarshal([]byte(line), &theirs); err != nil {
			r.Fatalf("peer said %q: %v", line, c.Wait())
		}
		spent = spent.Plus(theirs)
	}
	r.spent(spent)
	extra.report(r)
	if r.line != nil {
		r.metric(line, "line-ns")
	}
}

// passLine measures the way between the cores, with the first peer.
func (r *run) passLine(first uint64) float64 {
	if r.line == nil {
		return 0
	}
	return passLine(r.line, first)
}

// end lets the peers go, after the last look at what they hold.
func (r *run) end() {
	r.Helper()
	for _, c := range r.peers {
		c.Say("bye")
		r.check(c.Wait())
	}
}
