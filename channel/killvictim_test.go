//go:build fault

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/internal/shmtest"
)

func init() { children["victim"] = childVictim }

// envRecord names the file that a victim writes the points into that it passed.
const envRecord = "SHMRING_TEST_RECORD"

// A ledger is memory that outlives its writers: what each sender was told to be accepted,
// and what each victim that received was given.
type ledger struct {
	acked []*atomic.Uint64 // by sender: messages acknowledged
	begun []*atomic.Uint64 // by sender: messages whose send had begun
	given []*atomic.Uint64 // by sender, a bit for each: messages that Recv returned
	taken []*atomic.Uint64 // by sender, a bit for each: messages that RecvAppend returned
	did   *atomic.Uint64   // what the last victim was told to be done
}

// writers is how many senders a ledger has room for.
const writers = 8

func openLedger(path string) (*ledger, error) {
	words, err := shmtest.Words(path, 4*writers+1)
	if err != nil {
		return nil, err
	}
	return &ledger{
		acked: words[:writers], begun: words[writers : 2*writers],
		given: words[2*writers : 3*writers], taken: words[3*writers : 4*writers],
		did: words[4*writers],
	}, nil
}

func (l *ledger) clear() {
	for _, group := range [][]*atomic.Uint64{l.acked, l.begun, l.given, l.taken, {l.did}} {
		for _, w := range group {
			w.Store(0)
		}
	}
}

// mark notes message i of a sender: none sends more than a word has bits.
func markMessage(w *atomic.Uint64, i uint64) { w.Or(1 << i) }

// A victimPart is what one victim does.
type victimPart struct {
	ctx    context.Context
	dir    string
	number uint64 // of its messages, if it sends
	book   *ledger
}

func (p *victimPart) open() (*channel.Channel, error) {
	return channel.Open(p.ctx, "q", channel.OpenOptions{Dir: p.dir})
}

// moment bounds a wait that is only there to be passed.
const moment = 2 * time.Millisecond

// parts are the roles that can be killed.
var parts = map[string]func(p *victimPart) error{
	"sender":    partSender,
	"waiter":    partWaiter,
	"racer":     partRacer,
	"receiver":  partReceiver,
	"appender":  partAppender,
	"holder":    partHolder,
	"selector":  partSelector,
	"sealer":    partSealer,
	"drainer":   partDrainer,
	"closer":    partShutdown(channel.Leave),
	"forcer":    partShutdown(channel.Force),
	"rollback":  partShutdown(channel.Rollback),
	"recoverer": partRecoverer,
	"settler":   partSettler,
	"announcer": partAnnouncer,
	"creator":   partCreator,
	"opener":    partOpener,
	"remover":   partRemover,
}

// expected are the errors that a part may meet because of what happened before it.
var expected = []error{
	channel.ErrDraining, channel.ErrClosed, channel.ErrPeerDead, channel.ErrState,
	channel.ErrCorrupt, context.DeadlineExceeded, fs.ErrNotExist, fs.ErrExist, io.EOF,
	channel.ErrBusy, channel.ErrOrphaned,
}

func isExpected(err error) bool {
	for _, e := range expected {
		if errors.Is(err, e) {
			return true
		}
	}
	return err == nil
}

// childVictim runs one part: directory, ledger, role, number of its messages.
func childVictim(_ *shmtest.Conn, args []string) error {
	channel.NoSlices()
	channel.EagerToGiveBack()
	book, err := openLedger(args[1])
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(args[3], 10, 64)
	if err != nil {
		return err
	}
	passed := newRecorder()
	p := &victimPart{ctx: context.Background(), dir: args[0], number: number, book: book}
	err = parts[args[2]](p)
	fault.SetHook(nil)
	if isExpected(err) {
		err = nil
	}
	if path := os.Getenv(envRecord); path != "" && err == nil {
		err = os.WriteFile(path, []byte(passed.String()), 0o600)
	}
	return err
}

// A recorder counts the points that are passed, if somebody asks for that.
type recorder struct {
	mu     sync.Mutex
	counts map[string]int
}

func newRecorder() *recorder {
	r := &recorder{counts: make(map[string]int)}
	r.hook(func(string) {})
	return r
}

// recording is whom the points are told to.
var recording *recorder

// hook makes f run at every point that is passed, after it was counted.
func (r *recorder) hook(f func(name string)) {
	recording = r
	fault.SetHook(func(name string) {
		r.mu.Lock()
		r.counts[name]++
		r.mu.Unlock()
		f(name)
	})
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for name, n := range r.counts {
		fmt.Fprintf(&b, "%s %d\n", name, n)
	}
	return b.String()
}

// once runs f at the next hit of a point, in whatever calls that.
func oncePoint(point string, f func()) {
	var done atomic.Bool
	recording.hook(func(name string) {
		if name == point && done.CompareAndSwap(false, true) {
			f()
		}
	})
}

func partSealer(p *victimPart) error {
	ch, err := p.open()
	if err != nil {
		return err
	}
	return errors.Join(ch.Seal("victim"), ch.Close())
}

func partDrainer(p *victimPart) error {
	ch, err := p.open()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, moment)
	defer cancel()
	if err := ch.Drain(ctx, nil); !isExpected(err) {
		return err
	}
	return ch.Close()
}

func partShutdown(policy channel.Policy) func(*victimPart) error {
	return func(p *victimPart) error {
		ch, err := p.open()
		if err != nil {
			return err
		}
		ctx := p.ctx
		if policy != channel.Leave {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 4*moment)
			defer cancel()
		}
		_, err = ch.Shutdown(ctx, channel.ShutdownOptions{Reason: "victim", AtDeadline: policy})
		if !isExpected(err) {
			return err
		}
		return ch.Close()
	}
}

func partRecoverer(p *victimPart) error {
	ch, err := p.open()
	if err != nil {
		return err
	}
	if err := mend(p.ctx, ch); err != nil {
		return errors.Join(err, ch.Close())
	}
	p.book.did.Store(1)
	return ch.Close()
}

// partSettler only comes and goes: whoever comes looks after the dead.
func partSettler(p *victimPart) error {
	ch, err := p.open()
	if err != nil {
		return err
	}
	return ch.Close()
}

// plain are the options of every channel here; the last to leave does not remove it.
func plain(dir string, kind channel.Kind) channel.Options {
	return channel.Options{
		Kind: kind, Slots: 8, ArenaBytes: 32 << 10, MaxParticipants: 8,
		Lifetime: channel.Persistent, OpenOptions: channel.OpenOptions{Dir: dir},
	}
}

func partCreator(p *victimPart) error {
	o := plain(p.dir, channel.MPSC)
	o.Lifetime = channel.Ephemeral
	ch, err := channel.Create(p.ctx, "q", o)
	if err != nil {
		return err
	}
	p.book.did.Store(1)
	return ch.Close()
}

func partOpener(p *victimPart) error {
	for range 2 {
		o := plain(p.dir, channel.MPSC)
		o.Lifetime = channel.Ephemeral
		ch, err := channel.OpenOrCreate(p.ctx, "q", o)
		if err != nil {
			return err
		}
		if err := ch.Close(); err != nil {
			return err
		}
	}
	return nil
}

func partRemover(p *victimPart) error {
	return channel.Remove(p.ctx, "q", channel.RemoveOptions{Dir: p.dir})
}
