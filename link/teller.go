package link

import (
	"fmt"
	"sync"
	"time"

	"shmring/channel"
)

// A teller keeps the runner's word in the status cell.
type teller struct {
	event *channel.Event

	mu   sync.Mutex
	told told
}

func (t *teller) tell(change func(*told)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.told)
	t.told.atNs = time.Now().UnixNano()
	_, err := t.event.Signal(t.told.encode())
	return err
}

// Busy declares that the runner will be slow for a while, for at most limit, and why: loading
// a model, a long step. Server.Status shows it, and the runner is called busy, not stuck. The
// returned function ends it.
func (r *Runner) Busy(note string, limit time.Duration) (done func()) {
	ends := [...]func(){r.requests.Busy(note, limit), r.tokens.tx.Busy(note, limit)}
	_ = r.teller.tell(func(t *told) { // the server is gone: nobody to tell
		t.note, t.limit, t.sinceNs = note, int64(limit), time.Now().UnixNano()
	})
	return func() {
		for _, end := range ends {
			end()
		}
		_ = r.teller.tell(func(t *told) { t.note, t.limit, t.sinceNs = "", 0, 0 })
	}
}

// Progress tells the server how far the runner is: done of total, in units of the user's;
// total 0 if it is not known. It makes no system call while nobody waits for it.
func (r *Runner) Progress(done, total uint64) {
	_ = r.teller.tell(func(t *told) { t.done, t.total = done, total }) // as above
}

// Publish makes a copy of value, of at most MaxStatus bytes, what Server.Status returns as
// Value: counters, a state of the user's. It never waits. Errors are those of
// channel.Event.Signal.
func (r *Runner) Publish(value []byte) error {
	if len(value) > MaxStatus {
		return fmt.Errorf("%w: a status of %d bytes, at most %d", channel.ErrTooBig, len(value),
			MaxStatus)
	}
	return r.teller.tell(func(t *told) { t.value = append(t.value[:0], value...) })
}
