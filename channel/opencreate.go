package channel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"shmring/internal/layout"
	"shmring/shm"
	"shmring/state"
)

// OpenOrCreate attaches to the channel of that name or creates it. What it finds
// decides:
//
//	nobody is there             create
//	somebody is attached        open; other geometry: ErrLayout naming both
//	unattached, ACTIVE          take over, unread messages kept
//	unattached, being drained   open if messages are unread and nobody forced it
//	unattached, anything else   replace; Channel.Replaced says why
//
// A segment that nobody is attached to is repaired first: it is what a killed
// process left behind.
func OpenOrCreate(ctx context.Context, name string, o Options) (*Channel, error) {
	if o.Nameless || o.ReadOnly {
		return nil, openError("open", name, fmt.Errorf(
			"%w: OpenOrCreate is for named channels, read-write", fs.ErrInvalid))
	}
	p, err := o.params()
	if err != nil {
		return nil, openError("open", name, fmt.Errorf("%w: %w", shm.ErrLayout, err))
	}
	way := openOrCreate[*Channel]{
		create: func() (*Channel, error) { return create(ctx, name, o) },
		adopt: func(seg *shm.Segment, release func()) (*Channel, string, error) {
			return adopt(ctx, seg, release, p, o)
		},
	}
	ch, why, err := way.open(ctx, name, o.OpenOptions)
	if err != nil {
		return nil, openError("open", name, err)
	}
	ch.sayReplaced(why)
	return ch, nil
}

// openOrCreate is the way of OpenOrCreate and of OpenOrCreateEvent: they differ in what
// they create, and in what they take for usable.
type openOrCreate[T any] struct {
	create func() (T, error)
	// adopt decides, under the control lock, what becomes of an existing segment. It gives
	// the lock back. The segment is used, or it was unlinked for the reason that is returned.
	adopt func(seg *shm.Segment, release func()) (opened T, why string, err error)
}

// open goes round until the name does not change hands between two steps. It returns why
// it replaced a segment, or "".
func (c openOrCreate[T]) open(
	ctx context.Context, name string, o OpenOptions,
) (opened T, why string, err error) {
	for {
		again, reason := false, ""
		opened, again, reason, err = c.once(ctx, name, o)
		if reason != "" {
			why = reason
		}
		if !again || err != nil {
			return opened, why, err
		}
		if ctx.Err() != nil {
			return opened, "", context.Cause(ctx)
		}
	}
}

// once says that another round is due if the segment it found is gone now, or if
// somebody else created one first.
func (c openOrCreate[T]) once(
	ctx context.Context, name string, o OpenOptions,
) (opened T, again bool, why string, err error) {
	seg, release, err := shm.OpenControlled(ctx,
		shm.OpenOptions{Dir: o.Dir, Name: name, AllowUIDs: o.AllowUIDs}, "open or create")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if opened, err = c.create(); errors.Is(err, fs.ErrExist) {
			return opened, true, "", nil
		}
		return opened, false, "", err
	case errors.Is(err, shm.ErrLayout):
		if rerr := shm.RemoveForeign(ctx, o.Dir, name); rerr != nil {
			return opened, false, "", errors.Join(err, rerr)
		}
		return opened, true, err.Error(), nil
	case err != nil:
		return opened, false, "", err
	}
	opened, why, err = c.adopt(seg, release)
	return opened, why != "", why, err
}

// sayReplaced keeps and reports why OpenOrCreate replaced a segment, if it did.
func (ch *Channel) sayReplaced(why string) {
	if ch.replaced = why; why != "" {
		ch.logWarn("replaced a segment", errors.New(why))
	}
}

// adopt decides what becomes of an existing segment, under its control lock.
func adopt(
	ctx context.Context, seg *shm.Segment, release func(), p layout.Params, o Options,
) (opened *Channel, why string, err error) {
	ch, err := newChannel(seg, o.OpenOptions)
	if err != nil {
		release()
		return nil, "", errors.Join(err, leaveSegment(ctx, seg, keepFile))
	}
	why, err = ch.judge(p)
	release()
	if err == nil && why == "" {
		ch.start()
		return ch, "", nil
	}
	lctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), detachTimeout)
	defer cancel()
	if lerr := seg.Detach(lctx, ch.lastOut); err == nil {
		err = lerr
	}
	return nil, why, err
}

// judge returns "" if the segment is to be used, or why it was unlinked.
func (ch *Channel) judge(want layout.Params) (string, error) {
	alone, err := ch.seg.TryExclusive()
	if err != nil {
		return "", err
	}
	if alone {
		defer func() { _ = ch.seg.Downgrade() }() // ours already: cannot fail for want of a lock
	}
	var verdict string
	err = ch.seg.Guard(func() error {
		ch.settleDead()
		ch.repairLocked()
		var err error
		verdict, err = ch.verdict(alone, want)
		return err
	})
	if err == nil && verdict != "" {
		err = ch.seg.Unlink()
	}
	return verdict, err
}

// verdict is the table of OpenOrCreate.
func (ch *Channel) verdict(alone bool, want layout.Params) (string, error) {
	w := ch.state.Load()
	if w.State() == state.Closed {
		return "the channel was shut down", nil
	}
	other := mismatch(ch.view.Params, want)
	if !alone {
		return "", other
	}
	unread, err := ch.ring.Unread()
	switch {
	case !ch.seg.SameBoot():
		return "it was created before the last boot", nil
	case err != nil:
		return "it was damaged: " + err.Error(), nil //nolint:nilerr // the damage is the verdict
	case w.State() == state.Active && other == nil:
		return "", nil
	case w.State() == state.Active && unread > 0:
		return "", fmt.Errorf("%w; messages are unread (%d): receive them or remove it",
			other, unread)
	case w.State() == state.Active:
		return other.Error(), nil
	case (w.State() == state.Draining || w.State() == state.Closing) && unread > 0 && !w.Forced():
		return "", other
	}
	return fmt.Sprintf("it was left in state %s with %d unread messages", w.State(), unread), nil
}

// mismatch compares what is there with what is asked for.
func mismatch(have, want layout.Params) error {
	have.Options &^= layout.OptPersistent // whoever created it decided on its lifetime
	want.Options &^= layout.OptPersistent
	if have == want {
		return nil
	}
	return fmt.Errorf("%w: the existing channel has %s, wanted %s",
		shm.ErrLayout, describe(have), describe(want))
}

func describe(p layout.Params) string {
	kind := "MPSC"
	if p.RingKind == layout.RingSPSC {
		kind = "SPSC"
	}
	text := fmt.Sprintf("%s %d slots × %d B, arena %d B, %d participants",
		kind, p.SlotCount, p.SlotSize, p.ArenaSize, p.MaxParticipants)
	if p.Options&layout.OptChecksums != 0 {
		text += ", checksums"
	}
	if p.Options&layout.OptTimestamps != 0 {
		text += ", timestamps"
	}
	return text
}
