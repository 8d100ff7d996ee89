package link

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strconv"

	"shmring/channel"
)

// Join attaches to the link whose server started this process. It fails with ErrNoLink if
// none did. The environment variable and the inherited files are used up: children of this
// process get neither.
func Join(ctx context.Context) (*Runner, error) {
	text, ok := os.LookupEnv(EnvLink)
	if !ok {
		return nil, fmt.Errorf("%w: %s is not set: start this program by link.Start, or use "+
			"link.Attach", ErrNoLink, EnvLink)
	}
	where, err := url.ParseQuery(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s=%q: %w", ErrProtocol, EnvLink, text, err)
	}
	if err := os.Unsetenv(EnvLink); err != nil {
		return nil, err
	}
	if name := where.Get("name"); name != "" {
		return Attach(ctx, name, channel.OpenOptions{Dir: where.Get("dir")})
	}
	first, err := strconv.Atoi(where.Get("fd"))
	if err != nil {
		return nil, fmt.Errorf("%w: %s=%q has no descriptor: %w", ErrProtocol, EnvLink, text, err)
	}
	set, err := openFiles(first, channel.OpenOptions{RequirePeer: true})
	if err != nil {
		return nil, fmt.Errorf("the segments that the server handed over: %w", err)
	}
	if id := set.id(); hex.EncodeToString(id[:]) != where.Get("instance") {
		err := fmt.Errorf("%w: the inherited files are of instance %s, %s=%q",
			channel.ErrStale, id, EnvLink, text)
		return nil, errors.Join(err, set.close())
	}
	rx, err := set.control.TryReceiver()
	if err != nil {
		return nil, errors.Join(err, set.close())
	}
	return newRunner(ctx, set, rx)
}

// Attach attaches to the link of a name, and waits until a server has created one that no
// other runner has. Of o, Wait and ReadOnly mean nothing.
func Attach(ctx context.Context, name string, o channel.OpenOptions) (*Runner, error) {
	o.Wait, o.ReadOnly, o.RequirePeer = true, false, true
	for {
		r, err := attach(ctx, name, o)
		switch {
		case err == nil:
			return r, nil
		case ctx.Err() != nil, !replaced(err):
			return nil, fmt.Errorf("attach to the link %q: %w", name, err)
		}
	}
}

// replaced reports whether an attempt failed because the instance ended meanwhile, so that
// the next is worth waiting for.
func replaced(err error) bool {
	for _, target := range [...]error{
		fs.ErrNotExist, io.EOF, channel.ErrClosed, channel.ErrOrphaned, channel.ErrPeerDead,
		channel.ErrStale,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func attach(ctx context.Context, name string, o channel.OpenOptions) (*Runner, error) {
	set := &segments{}
	var err error
	if set.control, err = channel.Open(ctx, partName(name, "control"), o); err != nil {
		return nil, err
	}
	rx, err := set.control.Receiver(ctx) // the first runner's; others wait for the next instance
	if err == nil {
		err = set.openRest(ctx, name, o)
	}
	if err != nil {
		return nil, errors.Join(err, set.close())
	}
	return newRunner(ctx, set, rx)
}

// expectHello compares the segments with those that the server created together. The frame
// is to be released when the runner has joined: if it dies before, the next one gets it.
func expectHello(ctx context.Context, rx *channel.Receiver, set *segments) (Frame, error) {
	m, err := rx.Recv(ctx)
	if err != nil {
		return Frame{}, err
	}
	f, err := parse(m)
	if err == nil {
		err = f.checkHello(set)
	}
	if err != nil {
		f.Release()
	}
	return f, err
}

func (f Frame) checkHello(set *segments) error {
	switch {
	case f.Kind != hello:
		return fmt.Errorf("%w: the control channel begins with a %v", ErrProtocol, f.Kind)
	case f.ID != Version:
		return fmt.Errorf("%w: the server speaks version %d of the link, this program %d",
			ErrProtocol, f.ID, Version)
	case string(f.Payload) != string(set.hello()):
		return fmt.Errorf("%w: the segments are of several instances", channel.ErrStale)
	}
	return nil
}

// newRunner hears the hello and takes the rest of the roles; the sender of the tokens last,
// by which the server knows that the runner is there.
func newRunner(ctx context.Context, set *segments, control *channel.Receiver) (*Runner, error) {
	r := &Runner{
		set: set, id: set.id(), control: control, watched: make(chan struct{}),
		turn: make(chan struct{}, 1),
	}
	r.turn <- struct{}{}
	r.teller.event = set.status
	f, err := expectHello(ctx, control, set)
	if err != nil {
		return nil, errors.Join(err, set.close())
	}
	defer f.Release()
	if r.requests, err = set.requests.Receiver(ctx); err != nil {
		return nil, errors.Join(err, set.close())
	}
	tx, err := set.tokens.Sender(ctx)
	if err == nil && len(set.tokens.Stats().Deaths) > 0 {
		f.Release()
		err = errors.Join(tx.Close(), awaitEnd(ctx, control))
	}
	if err != nil {
		return nil, errors.Join(err, set.close())
	}
	r.tokens = newPort(tx)
	r.ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	go r.watchServer()
	return r, nil
}

// awaitEnd waits for the end of an instance whose runner was killed when it had just joined:
// it is that one's, and the server is about to end it.
func awaitEnd(ctx context.Context, control *channel.Receiver) error {
	for {
		m, err := control.Recv(ctx)
		if err != nil {
			return err
		}
		m.Release()
	}
}
