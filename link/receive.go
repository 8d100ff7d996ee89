package link

import (
	"context"
	"errors"
	"io"

	"shmring/channel"
)

// Recv returns the next frame of the server, in place; it must be released. Control frames
// come first. Cancels are taken in on the way, for Canceled. The end is io.EOF, bare: the
// link is being stopped, and there are no more requests; the runner finishes what it has, and
// calls Close. ErrServerEnded: nobody is there to finish it for.
func (r *Runner) Recv(ctx context.Context) (Frame, error) {
	select {
	case <-r.turn:
		defer func() { r.turn <- struct{}{} }()
	case <-ctx.Done():
		return Frame{}, context.Cause(ctx)
	}
	for {
		if err := r.Err(); err != nil {
			return Frame{}, err
		}
		if err := r.absorb(true); err != nil {
			return Frame{}, r.explain(ctx, err)
		}
		if f, ok := r.Poll(); ok {
			return f, nil
		}
		f, err := r.tryRequest()
		if !errors.Is(err, channel.ErrEmpty) {
			return f, r.explain(ctx, err)
		}
		if _, err := channel.Wait(ctx, r.control, r.requests); err != nil {
			return Frame{}, r.explain(ctx, err)
		}
	}
}

// TryRecv is Recv that never waits: channel.ErrEmpty if there is no frame, channel.ErrBusy
// beside another goroutine's Recv.
func (r *Runner) TryRecv() (Frame, error) {
	select {
	case <-r.turn:
		defer func() { r.turn <- struct{}{} }()
	default:
		return Frame{}, channel.ErrBusy
	}
	if err := r.Err(); err != nil {
		return Frame{}, err
	}
	err := r.absorb(true)
	if f, ok := r.Poll(); err == nil && ok {
		return f, nil
	}
	if err == nil {
		var f Frame
		if f, err = r.tryRequest(); err == nil {
			return f, nil
		}
	}
	return Frame{}, r.explain(r.ctx, err)
}

// tryRequest receives a request that is there.
func (r *Runner) tryRequest() (Frame, error) {
	m, err := r.requests.TryRecv()
	if err != nil {
		return Frame{}, err
	}
	return parse(m)
}

// absorb takes in what the control channel holds. While another goroutine waits in Recv, it
// is that one's to do, and ErrBusy is none; ends are reported only to the receiver.
func (r *Runner) absorb(report bool) error {
	for r.control.Len() > 0 || report {
		m, err := r.control.TryRecv()
		switch {
		case err == nil:
			r.take(m)
		case errors.Is(err, channel.ErrEmpty), errors.Is(err, channel.ErrBusy), !report:
			return nil
		case errors.Is(err, io.EOF):
			return channel.ErrClosed
		default:
			return err
		}
	}
	return nil
}

// take takes in one control message. What is no frame is passed over.
func (r *Runner) take(m channel.Message) {
	f, err := parse(m)
	if err != nil {
		return
	}
	defer f.Release()
	if f.Kind == Cancel {
		r.cancels.add(f.ID)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.extra = append(r.extra, Frame{
		ID: f.ID, Kind: f.Kind, Aux: f.Aux, Payload: append([]byte(nil), f.Payload...),
	})
	r.extras.Store(int64(len(r.extra)))
}

// Poll returns the next control frame of a kind of the user's, if there is one, without
// waiting: a runner that is busy calls it between two steps. Its payload is a copy.
func (r *Runner) Poll() (Frame, bool) {
	_ = r.absorb(false) // reports nothing
	if r.extras.Load() == 0 {
		return Frame{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.extra) == 0 {
		return Frame{}, false
	}
	f := r.extra[0]
	r.extra = r.extra[1:]
	r.extras.Store(int64(len(r.extra)))
	return f, true
}

// Canceled reports whether the server has cancelled a request, which is so from its Cancel
// until the runner has sent the End or Error. It never waits: with no cancel anywhere it is
// a lock of this process and a look at one word, so a runner can ask after every token.
func (r *Runner) Canceled(id uint64) bool {
	_ = r.absorb(false) // reports nothing
	return r.cancels.has(id)
}

// Cancels returns the requests that were cancelled since the last call, in order; nil
// if none was, at the cost of Canceled. It is for runners that work on many requests at once.
func (r *Runner) Cancels() []uint64 {
	_ = r.absorb(false) // reports nothing
	return r.cancels.take()
}
