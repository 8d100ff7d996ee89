package link

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"shmring/channel"
)

// segments are the four segments of one instance, as one side has them open.
type segments struct {
	requests, tokens, control *channel.Channel
	status                    *channel.Event
}

// parts are the ends of the names of the segments, in the order in which files are handed to
// a child.
var parts = [...]string{"requests", "tokens", "control", "status"}

const controlPart = 2

func partName(name, part string) string {
	if name == "" {
		return ""
	}
	return name + "." + part
}

// id is the identity of the instance.
func (s *segments) id() ID { return s.requests.Instance() }

// hello is what both sides compare, so that nobody mixes segments of two instances.
func (s *segments) hello() []byte {
	var b []byte
	for _, id := range [...][16]byte{
		s.requests.Instance(), s.tokens.Instance(), s.status.Instance(),
	} {
		b = append(b, id[:]...)
	}
	return b
}

// create makes the segments of a new instance. What a former run left under their names
// is replaced: the caller holds the link's lock, so no server lives that needs them.
func create(ctx context.Context, o Options) (s *segments, err error) {
	s = &segments{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
			s = nil
		}
	}()
	if o.Name != "" {
		if err := clearAway(ctx, o); err != nil {
			return s, err
		}
	}
	for _, c := range [...]struct {
		part string
		at   **channel.Channel
		o    channel.Options
	}{
		{"tokens", &s.tokens, o.Tokens},
		{"requests", &s.requests, o.Requests},
	} {
		if *c.at, err = channel.Create(ctx, partName(o.Name, c.part), c.o); err != nil {
			return s, fmt.Errorf("create the channel of %s: %w", c.part, err)
		}
	}
	s.status, err = channel.CreateEvent(ctx, partName(o.Name, "status"), o.status())
	if err != nil {
		return s, fmt.Errorf("create the status: %w", err)
	}
	// A runner that finds the control channel finds all.
	s.control, err = channel.Create(ctx, partName(o.Name, "control"), o.control())
	if err != nil {
		return s, fmt.Errorf("create the control channel: %w", err)
	}
	if o.Name != "" { // for whoever shuts down from outside, in order
		err = s.requests.DependOn(ctx, s.tokens)
	}
	return s, err
}

// clearAway ends what a former run left: for its runner, if that still lives, the link is
// over.
func clearAway(ctx context.Context, o Options) error {
	for i := range parts { // control first: by it a runner knows the end from a drain
		part := parts[(i+controlPart)%len(parts)]
		name := partName(o.Name, part)
		err := channel.Remove(ctx, name, channel.RemoveOptions{Dir: o.Dir, Unread: true})
		if errors.Is(err, channel.ErrBusy) {
			err = takeName(ctx, name, part, o)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("replace what a former run left: %w", err)
		}
	}
	return nil
}

// forceTime is how long a former runner, which may be stopped, has to answer a forced end.
const forceTime = 100 * time.Millisecond

// takeName ends a segment that a former runner is attached to.
func takeName(ctx context.Context, name, part string, o Options) error {
	open := channel.OpenOptions{Dir: o.Dir, AllowUIDs: o.AllowUIDs, Logger: o.Logger}
	if part == "status" { // an event has no end but that of its name
		open.ReadOnly = true
		e, err := channel.OpenEvent(ctx, name, open)
		if err != nil {
			return err
		}
		return errors.Join(os.Remove(e.Path()), e.Close())
	}
	ch, err := channel.Open(ctx, name, open)
	if err != nil {
		return err
	}
	return errors.Join(force(ctx, ch, "a new server took the name"), ch.Close())
}

// force ends a channel for all.
func force(ctx context.Context, ch *channel.Channel, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, forceTime)
	defer cancel()
	_, err := ch.Shutdown(ctx, channel.ShutdownOptions{
		Reason: reason, AtDeadline: channel.Force,
	})
	return err
}

// files opens what a child inherits, in the order of parts.
func (s *segments) files() ([]*os.File, error) {
	var files []*os.File
	for _, open := range [...]func() (*os.File, error){
		s.requests.File, s.tokens.File, s.control.File, s.status.File,
	} {
		f, err := open()
		if err != nil {
			closeFiles(files)
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // nothing was written
	}
}

// openFiles attaches to inherited files, from descriptor first on.
func openFiles(first int, o channel.OpenOptions) (s *segments, err error) {
	s = &segments{}
	var errs [len(parts)]error
	file := func(i int) *os.File { return os.NewFile(uintptr(first+i), parts[i]) }
	s.requests, errs[0] = channel.OpenFile(file(0), o)
	s.tokens, errs[1] = channel.OpenFile(file(1), o)
	s.control, errs[2] = channel.OpenFile(file(2), o)
	s.status, errs[3] = channel.OpenEventFile(file(3), o)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// openRest attaches to the segments beside the control channel.
func (s *segments) openRest(ctx context.Context, name string, o channel.OpenOptions) (err error) {
	o.Wait = false
	if s.requests, err = channel.Open(ctx, partName(name, "requests"), o); err != nil {
		return err
	}
	if s.tokens, err = channel.Open(ctx, partName(name, "tokens"), o); err != nil {
		return err
	}
	s.status, err = channel.OpenEvent(ctx, partName(name, "status"), o)
	return err
}

// end closes the channels for all, which removes their names, and detaches.
func (s *segments) end(ctx context.Context, reason string) error {
	var errs []error
	for _, ch := range [...]*channel.Channel{s.control, s.requests, s.tokens} {
		errs = append(errs, force(ctx, ch, reason))
	}
	if path := s.status.Path(); path != "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, s.close())...)
}

// close detaches from what is open.
func (s *segments) close() error {
	var errs []error
	for _, ch := range [...]*channel.Channel{s.control, s.requests, s.tokens} {
		if ch != nil {
			errs = append(errs, ch.Close())
		}
	}
	if s.status != nil {
		errs = append(errs, s.status.Close())
	}
	return errors.Join(errs...)
}
