package channel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"shmring/internal/layout"
	"shmring/ring"
	"shmring/shm"
	"shmring/state"
)

// checkKind refuses a segment of another kind than is asked for.
func checkKind(seg *shm.Segment, want uint32) error {
	have := seg.View().Kind
	if have == want {
		return nil
	}
	names := [...]string{layout.KindChannel: "a channel", layout.KindEvent: "an event"}
	return fmt.Errorf("%w: the segment is %s, not %s", shm.ErrLayout, names[have], names[want])
}

// Create makes a new channel and attaches to it. It fails with fs.ErrExist if the
// name is taken, with ErrNoSpace if shared memory is too small, and with ErrLayout
// if the options make no geometry. With Options.Nameless the name must be empty.
func Create(ctx context.Context, name string, o Options) (*Channel, error) {
	ch, err := create(ctx, name, o)
	if err != nil {
		return nil, openError("create", name, err)
	}
	return ch, nil
}

func create(ctx context.Context, name string, o Options) (*Channel, error) {
	p, err := o.params()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", shm.ErrLayout, err)
	}
	if o.Nameless != (name == "") {
		return nil, fmt.Errorf("%w: a nameless channel has no name, any other needs one",
			fs.ErrInvalid)
	}
	if o.ReadOnly {
		return nil, fmt.Errorf("%w: a channel cannot be created read-only", fs.ErrInvalid)
	}
	seg, err := shm.Create(ctx, shm.CreateOptions{
		Dir: o.Dir, Name: name, Params: p, Mode: o.Mode, Init: initSegment,
	})
	if err != nil {
		return nil, err
	}
	return attach(seg, o.OpenOptions)
}

// initSegment fills the control words of a segment that nobody else can see yet.
func initSegment(v *layout.View) {
	ring.New(v).Init(0, 0)
	v.Control.State.V.Store(uint32(state.NewWord(state.Active)))
}

// attach makes a running Channel of an open segment, or gives the segment back.
func attach(seg *shm.Segment, o OpenOptions) (*Channel, error) {
	ch, err := newChannel(seg, o)
	if err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	ch.checkOrphaned() // a file that was handed over may have lost its name
	ch.start()
	return ch, nil
}

// Open attaches to an existing channel. It fails with fs.ErrNotExist if there is
// none (unless OpenOptions.Wait), with fs.ErrPermission, ErrLayout, ErrCorrupt or
// ErrStale if the file is not one that it may use. A channel in state CLOSED that is
// still linked is unlinked and does not exist.
func Open(ctx context.Context, name string, o OpenOptions) (*Channel, error) {
	for {
		ch, err := openOnce(ctx, name, o)
		if err == nil {
			return ch, nil
		}
		if !o.Wait || !errors.Is(err, fs.ErrNotExist) {
			return nil, openError("open", name, err)
		}
		if err := shm.AwaitName(ctx, o.Dir, name); err != nil {
			return nil, openError("open", name, err)
		}
	}
}

func openOnce(ctx context.Context, name string, o OpenOptions) (*Channel, error) {
	seg, err := shm.Open(ctx, shm.OpenOptions{
		Dir: o.Dir, Name: name, ReadOnly: o.ReadOnly, AllowUIDs: o.AllowUIDs,
	})
	if err != nil {
		return nil, err
	}
	return admit(ctx, seg, o)
}

// admit refuses segments that are over: of another boot, or closed.
func admit(ctx context.Context, seg *shm.Segment, o OpenOptions) (*Channel, error) {
	if err := checkKind(seg, layout.KindChannel); err != nil {
		return nil, errors.Join(err, leaveSegment(ctx, seg, keepFile))
	}
	if o.ReadOnly {
		return attach(seg, o)
	}
	if !seg.SameBoot() {
		err := fmt.Errorf("%w: it was created before the last boot; "+
			"OpenOrCreate replaces it, Remove deletes it", ErrStale)
		return nil, errors.Join(err, leaveSegment(ctx, seg, keepFile))
	}
	var w state.Word
	err := seg.Guard(func() error {
		w = state.Word(seg.View().Control.State.V.Load())
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, leaveSegment(ctx, seg, keepFile))
	}
	if w.State() != state.Closed {
		return attach(seg, o)
	}
	if err := leaveSegment(ctx, seg, dropFile); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: the channel was shut down", fs.ErrNotExist)
}

// keepFile and dropFile say what leaveSegment does with the name.
const (
	keepFile = false
	dropFile = true
)

// leaveSegment ends an attachment that never became a Channel. With dropFile it
// unlinks the name first, whoever else is attached: only for a CLOSED segment.
func leaveSegment(ctx context.Context, seg *shm.Segment, drop bool) error {
	var err error
	if drop && !seg.Nameless() {
		var release func()
		if release, err = seg.Control(ctx, "unlink a closed channel"); err == nil {
			err = seg.Unlink()
			release()
		}
	}
	return errors.Join(err, seg.Detach(ctx, func() bool { return false }))
}

// OpenFile attaches to the segment behind f, which a parent handed over (see
// Channel.File). It opens a description of its own and closes f.
func OpenFile(f *os.File, o OpenOptions) (*Channel, error) {
	seg, err := shm.OpenFile(f, shm.OpenOptions{ReadOnly: o.ReadOnly, AllowUIDs: o.AllowUIDs})
	if err != nil {
		return nil, openError("open", "", err)
	}
	ch, err := admit(context.Background(), seg, o)
	return ch, openError("open", "", err)
}
