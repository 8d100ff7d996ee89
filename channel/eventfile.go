package channel

import (
	"context"
	"errors"
	"fmt"
	"os"

	"shmring/internal/layout"
	"shmring/shm"
)

// File returns a new open description of the event's segment, for handing a nameless
// event to a child process, which passes it to OpenEventFile. It is never a duplicate: a
// shared description would keep its dead alive. The caller closes it.
func (e *Event) File() (*os.File, error) { return e.ch.File() }

// OpenEventFile attaches to the event behind f, which a parent handed over (see
// Event.File). It opens a description of its own and closes f. Errors are those of OpenEvent.
func OpenEventFile(f *os.File, o OpenOptions) (*Event, error) {
	seg, err := shm.OpenFile(f, shm.OpenOptions{ReadOnly: o.ReadOnly, AllowUIDs: o.AllowUIDs})
	if err != nil {
		return nil, openError("open event", "", err)
	}
	e, err := admitEvent(context.Background(), seg, o)
	return e, openError("open event", "", err)
}

// admitEvent refuses what is no event, or one of another boot.
func admitEvent(ctx context.Context, seg *shm.Segment, o OpenOptions) (*Event, error) {
	err := checkKind(seg, layout.KindEvent)
	if err == nil && !o.ReadOnly && !seg.SameBoot() {
		err = fmt.Errorf("%w: it was created before the last boot; "+
			"OpenOrCreateEvent replaces it, Remove deletes it", ErrStale)
	}
	if err != nil {
		return nil, errors.Join(err, leaveSegment(ctx, seg, keepFile))
	}
	return attachEvent(seg, o)
}
