package channel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"shmring/futex"
	"shmring/internal/layout"
	"shmring/shm"
	"shmring/state"
)

// EventOptions describe an event to create. The zero value is a good event.
type EventOptions struct {
	MaxParticipants int         // handles at a time: 4 to 256; 0: DefaultMaxParticipants
	Mode            fs.FileMode // permission bits; 0: 0600
	Lifetime        Lifetime    // Ephemeral if zero
	Nameless        bool        // never linked under a name; hand it over by Event.File
	OpenOptions
}

// params turns options into a geometry request and checks it.
func (o EventOptions) params() (layout.Params, error) {
	places := pick(o.MaxParticipants, DefaultMaxParticipants)
	options := uint32(0)
	if o.Lifetime == Persistent {
		options = layout.OptPersistent
	}
	bounded := uint32(min(max(places, 0), layout.MaxParticipants+1))
	p := layout.EventParams(bounded, options)
	var err error
	switch {
	case o.Mode&^fs.ModePerm != 0:
		err = fmt.Errorf("%w: mode %v has more than permission bits", layout.ErrInvalid, o.Mode)
	default:
		_, err = layout.NewGeometry(p)
	}
	if err != nil {
		return p, fmt.Errorf("%w: %w", shm.ErrLayout, err)
	}
	return p, nil
}

// CreateEvent makes a new event and attaches to it. It fails with fs.ErrExist if the name
// is taken, with ErrNoSpace if shared memory is too small, and with ErrLayout if the
// options are impossible. With EventOptions.Nameless the name must be empty.
func CreateEvent(ctx context.Context, name string, o EventOptions) (*Event, error) {
	e, err := createEvent(ctx, name, o)
	return e, openError("create event", name, err)
}

func createEvent(ctx context.Context, name string, o EventOptions) (*Event, error) {
	p, err := o.params()
	if err != nil {
		return nil, err
	}
	if o.Nameless != (name == "") {
		return nil, fmt.Errorf("%w: a nameless event has no name, any other needs one",
			fs.ErrInvalid)
	}
	if o.ReadOnly {
		return nil, fmt.Errorf("%w: an event cannot be created read-only", fs.ErrInvalid)
	}
	seg, err := shm.Create(ctx, shm.CreateOptions{
		Dir: o.Dir, Name: name, Params: p, Mode: o.Mode, Init: initEvent,
	})
	if err != nil {
		return nil, err
	}
	return attachEvent(seg, o.OpenOptions)
}

// initEvent fills the control words of a segment that nobody else can see yet.
func initEvent(v *layout.View) {
	c, err := newCell(v)
	if err != nil {
		panic(err) // the geometry is EventParams'
	}
	c.start(0)
	v.Control.State.V.Store(uint32(state.NewWord(state.Active)))
}

// OpenEvent attaches to an existing event. It fails with fs.ErrNotExist if there is none
// (unless OpenOptions.Wait), with fs.ErrPermission, ErrLayout, ErrCorrupt or ErrStale if the
// file is not one that it may use, and with ErrBusy if all places of the event are taken.
// Of OpenOptions, RequirePeer and StallAfter mean nothing here, and Guard is always on.
// Read-only, only Load works.
func OpenEvent(ctx context.Context, name string, o OpenOptions) (*Event, error) {
	for {
		e, err := openEventOnce(ctx, name, o)
		if err == nil {
			return e, nil
		}
		if o.Wait && errors.Is(err, fs.ErrNotExist) {
			if err = shm.AwaitName(ctx, o.Dir, name); err == nil {
				continue
			}
		}
		return nil, openError("open event", name, err)
	}
}

func openEventOnce(ctx context.Context, name string, o OpenOptions) (*Event, error) {
	seg, err := shm.Open(ctx, shm.OpenOptions{
		Dir: o.Dir, Name: name, ReadOnly: o.ReadOnly, AllowUIDs: o.AllowUIDs,
	})
	if err != nil {
		return nil, err
	}
	return admitEvent(ctx, seg, o)
}

// attachEvent makes an Event of an open segment, and takes a place. On error the segment
// is given back.
func attachEvent(seg *shm.Segment, o OpenOptions) (*Event, error) {
	o.Guard = true // also where it is one of several things to wait for
	e := &Event{}
	err := seg.Guard(func() error {
		var err error
		if e.cell, err = newCell(seg.View()); err != nil {
			return fmt.Errorf("%w: %w", shm.ErrLayout, err)
		}
		e.ch = newAttachment(seg, o)
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	e.ch.start()
	if o.ReadOnly {
		return e, nil
	}
	err = seg.Guard(func() error {
		var err error
		e.place, err = e.ch.tryClaimRole(layout.RoleMember)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, e.ch.Close())
	}
	e.row = &e.ch.view.Participants[e.place]
	e.writer = newCellWriter(e.cell, e.place)
	e.spin = futex.NewSpinner(o.Spin)
	return e, nil
}

// OpenOrCreateEvent attaches to the event of that name or creates it. What it finds
// decides:
//
//	nobody is there               create
//	somebody is attached          open; another number of places: ErrLayout
//	unattached                    take over, sequence and value kept
//	unattached, of another boot,
//	damaged, or never signalled
//	with other places             replace; Event.Replaced says why
func OpenOrCreateEvent(ctx context.Context, name string, o EventOptions) (*Event, error) {
	if o.ReadOnly || o.Nameless {
		return nil, openError("open event", name,
			fmt.Errorf("%w: OpenOrCreateEvent is read-write and needs a name", fs.ErrInvalid))
	}
	want, err := o.params()
	if err != nil {
		return nil, openError("open event", name, err)
	}
	way := openOrCreate[*Event]{
		create: func() (*Event, error) { return createEvent(ctx, name, o) },
		adopt: func(seg *shm.Segment, release func()) (*Event, string, error) {
			why, err := judgeEvent(seg, want)
			release()
			if err == nil && why == "" {
				e, err := attachEvent(seg, o.OpenOptions)
				return e, "", err
			}
			return nil, why, errors.Join(err, leaveSegment(ctx, seg, keepFile))
		},
	}
	e, why, err := way.open(ctx, name, o.OpenOptions)
	if err != nil {
		return nil, openError("open event", name, err)
	}
	e.ch.sayReplaced(why)
	return e, nil
}

// judgeEvent decides under the control lock what becomes of an existing segment: "" if it
// is to be used, or why it was unlinked.
func judgeEvent(seg *shm.Segment, want layout.Params) (string, error) {
	if err := checkKind(seg, layout.KindEvent); err != nil {
		return "", err
	}
	alone, err := seg.TryExclusive()
	if err != nil {
		return "", err
	}
	if alone {
		defer func() { _ = seg.Downgrade() }() // ours already: cannot fail for want of a lock
	}
	var verdict string
	err = seg.Guard(func() error {
		var err error
		verdict, err = eventVerdict(seg, alone, want)
		return err
	})
	if err == nil && verdict != "" {
		err = seg.Unlink()
	}
	return verdict, err
}

// eventVerdict is the table of OpenOrCreateEvent.
func eventVerdict(seg *shm.Segment, alone bool, want layout.Params) (string, error) {
	have := seg.View().MaxParticipants
	var other error
	if have != want.MaxParticipants {
		other = fmt.Errorf("%w: the existing event has places for %d handles, wanted %d",
			shm.ErrLayout, have, want.MaxParticipants)
	}
	if !alone {
		return "", other
	}
	if !seg.SameBoot() {
		return "it was created before the last boot", nil
	}
	var buf [MaxEventValue]byte
	c, err := newCell(seg.View())
	seq := uint64(0)
	if err == nil {
		seq, _, err = c.load(buf[:0])
	}
	switch {
	case err != nil:
		return "it was damaged: " + err.Error(), nil //nolint:nilerr // the damage is the verdict
	case other != nil && seq == 0:
		return other.Error(), nil
	case other != nil:
		return "", fmt.Errorf("%w; it was signalled %d times: open it like that or remove it",
			other, seq)
	}
	return "", nil
}
