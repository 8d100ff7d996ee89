package main

import (
	"context"
	"errors"
	"io/fs"

	"shmring/channel"
	"shmring/shm"
	"shmring/state"
)

// segmentDir returns where segments are; empty: where the library looks.
func (a *app) segmentDir() string {
	if a.dir != "" {
		return a.dir
	}
	return a.getenv(shm.EnvDir)
}

func (a *app) openOptions() channel.OpenOptions {
	return channel.OpenOptions{Dir: a.segmentDir(), Guard: true}
}

// observe opens a channel without taking part in it.
func (a *app) observe(ctx context.Context, name string) (*channel.Channel, error) {
	o := a.openOptions()
	o.ReadOnly = true
	return channel.Open(ctx, name, o)
}

// attach opens the channel that send and recv work on, or creates it. Flags that were
// given must fit what is there; those that were not take what is there. A sender
// replaces a channel that has ended and that nobody is attached to; a receiver takes
// its end.
func (a *app) attach(
	ctx context.Context, name string, g *geometry, sending bool,
) (*channel.Channel, error) {
	o := g.opts
	o.OpenOptions = a.openOptions()
	for {
		ch, err := channel.Open(ctx, name, o.OpenOptions)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, channel.ErrStale):
		case err != nil:
			return nil, err
		case !g.fits(ch.Options()):
			if err := ch.Close(); err != nil {
				return nil, err
			}
		case sending && ch.State() != state.Active:
			o = ch.Options()
			if err := ch.Close(); err != nil {
				return nil, err
			}
		default:
			return ch, nil
		}
		ch, err = channel.OpenOrCreate(ctx, name, o)
		if !errors.Is(err, channel.ErrLayout) || g.chosen() || badOptions(err) {
			return ch, err
		}
		// Somebody created it with another geometry meanwhile. That will do.
		o = g.opts
		o.OpenOptions = a.openOptions()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// leave detaches. The last clean detach of an ephemeral channel removes it unless
// messages are unread, but its end is something to be received too: a recv that comes
// later must find it instead of waiting for ever. So who would remove the end goes
// without detaching, which the kernel does at exit, and the file stays for the next one.
func leave(ch *channel.Channel) error {
	s := ch.Stats()
	ended := s.State == state.Draining || s.State == state.Closing
	if ended && s.Depth == 0 && s.Receivers == 0 {
		return nil
	}
	return ch.Close()
}
