package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/state"
)

// A view is what can be seen of a segment without taking part in it.
type view struct {
	entry channel.Entry
	err   error // why the rest is not there

	state        string // of the channel, or one word for why it is none
	reason       string
	stats        channel.Stats
	participants []channel.Participant
	history      []state.Transition
}

// look sees what it can. A channel that goes meanwhile is fs.ErrNotExist.
func (a *app) look(ctx context.Context, e channel.Entry) view {
	v := view{entry: e, err: e.Err}
	if v.err == nil {
		v.err = guarded(func() error { return v.read(ctx, a) })
	}
	if v.err != nil {
		v.state = wordFor(v.err, e)
	}
	return v
}

func (v *view) read(ctx context.Context, a *app) error {
	ch, err := a.observe(ctx, v.entry.Name)
	if err != nil {
		return err
	}
	v.stats, v.participants, v.history = ch.Stats(), ch.Participants(), ch.History()
	v.state, v.reason = v.stats.State.String(), v.stats.Reason
	return ch.Close()
}

// readable reports whether the header tells what this segment is.
func (v *view) readable() bool { return v.entry.Err == nil }

// wordFor says in one word what a segment is that is not shown as a channel.
func wordFor(err error, e channel.Entry) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "denied"
	case errors.Is(err, fs.ErrNotExist):
		return "gone"
	case e.Err == nil && e.Header.Kind == layout.KindEvent:
		return "event"
	case errors.Is(err, channel.ErrLayout):
		return "foreign"
	case errors.Is(err, channel.ErrCorrupt), errors.Is(err, channel.ErrFault):
		return "corrupt"
	}
	return "unknown"
}

// receiver returns the living receiver.
func (v *view) receiver() (channel.Participant, bool) {
	for _, p := range v.participants {
		if p.Role == layout.RoleReceiver && p.Alive {
			return p, true
		}
	}
	return channel.Participant{}, false
}

// options returns the choices the segment was created with.
func (v *view) options() channel.Options {
	g := v.entry.Geometry
	o := channel.Options{
		Kind: channel.MPSC, Slots: int(g.SlotCount), SlotSize: int(g.SlotSize),
		ArenaBytes: int(g.ArenaSize), MaxParticipants: int(g.MaxParticipants),
		Checksums:  g.Options&layout.OptChecksums != 0,
		Timestamps: g.Options&layout.OptTimestamps != 0,
	}
	if g.RingKind == layout.RingSPSC {
		o.Kind = channel.SPSC
	}
	if g.Options&layout.OptPersistent != 0 {
		o.Lifetime = channel.Persistent
	}
	return o
}

// find returns the entry of one name.
func (a *app) find(name string) (channel.Entry, error) {
	entries, err := channel.List(a.segmentDir())
	if err != nil {
		return channel.Entry{}, err
	}
	for _, e := range entries {
		if e.Name == name {
			return e, nil
		}
	}
	return channel.Entry{}, &channel.OpError{Op: "stat", Name: name, Err: fs.ErrNotExist}
}

func instanceText(id [16]byte) string { return fmt.Sprintf("%x", id[:]) }
