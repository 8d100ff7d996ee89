// Package overshm carries work to runners through shared memory, by package link: requests,
// tokens in one batch for each step, and cancels that overtake both.
package overshm

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"shmring/channel"
	"shmring/examples/runner/engine"
	"shmring/link"
)

// A request travels as JSON: it is sent once for hundreds of tokens. A token is a frame whose
// Aux is its index and whose payload is its text; the Aux of an end is the engine.End.

// port is the runner's side of a link: an engine.Port.
type port struct {
	r      *link.Runner
	frames []link.Frame // of one step
	text   []byte       // their payloads
	status []byte
}

// Run is a runner that was started by a Transport, until that ends.
func Run(ctx context.Context, load func() (engine.Options, error)) error {
	r, err := link.Join(ctx)
	if err != nil {
		return err
	}
	return run(r, load)
}

// RunAttached is a runner that comes by itself, as from another container. It attaches to
// the link of a name, and, when its server has gone, to the next of that name. The end of ctx
// ends it between two servers; one that is there says itself when it is over.
func RunAttached(ctx context.Context, name string, load func() (engine.Options, error)) error {
	for ctx.Err() == nil {
		r, err := link.Attach(ctx, name, channel.OpenOptions{})
		if err == nil {
			err = run(r, load)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, link.ErrServerEnded) {
			return err
		}
	}
	return nil
}

// loadTime is how long it may take to build the model before others call that stuck.
const loadTime = time.Minute

func run(r *link.Runner, load func() (engine.Options, error)) error {
	done := r.Busy("building the model", loadTime)
	o, err := load()
	done()
	if err == nil {
		// The context ends when the server dies: within milliseconds, whatever this does.
		err = engine.Run(r.Context(), &port{r: r}, o)
	}
	return errors.Join(err, r.Close())
}

// Take implements engine.Port.
func (p *port) Take(ctx context.Context, dst []engine.Request, wait bool) (n int, err error) {
	for n < len(dst) {
		var f link.Frame
		if wait && n == 0 {
			f, err = p.r.Recv(ctx)
		} else {
			f, err = p.r.TryRecv()
		}
		if errors.Is(err, channel.ErrEmpty) || n > 0 && errors.Is(err, io.EOF) {
			return n, nil // an end is told again
		}
		if err != nil {
			return n, err
		}
		err = json.Unmarshal(f.Payload, &dst[n])
		dst[n].ID = f.ID
		f.Release()
		if err != nil {
			return n, fmt.Errorf("request %d: %w", dst[n].ID, err)
		}
		n++
	}
	return n, nil
}

// Cancelled implements engine.Port: where nothing was cancelled it is a look at one word.
func (p *port) Cancelled(dst []uint64) []uint64 { return append(dst, p.r.Cancels()...) }

// Send implements engine.Port: one batch, and one wake at most, for all sequences.
func (p *port) Send(ctx context.Context, ts []engine.Token) (int, error) {
	p.frames, p.text = p.frames[:0], p.text[:0]
	for _, t := range ts { // first, so that the payloads do not move
		p.text = append(p.text, t.Byte)
	}
	for i, t := range ts {
		f := link.Frame{ID: t.ID, Kind: link.Token, Aux: t.Index, Payload: p.text[i : i+1]}
		if t.End != engine.Live {
			f = link.Frame{ID: t.ID, Kind: link.End, Aux: uint32(t.End)}
		}
		p.frames = append(p.frames, f)
	}
	return p.r.SendStep(ctx, p.frames)
}

// Embedding implements engine.Port: it is computed where the server will read it.
func (p *port) Embedding(
	ctx context.Context, id uint64, dimensions int, fill func([]float32),
) error {
	l, err := p.r.Reserve(ctx, link.Frame{ID: id, Kind: link.Embedding}, 4*dimensions)
	if err != nil {
		return err
	}
	v, err := floats(l.Bytes()[:4*dimensions])
	if err != nil {
		l.Abort()
		return err
	}
	fill(v)
	return l.Commit(4 * dimensions)
}

// Tell implements engine.Port.
func (p *port) Tell(s engine.Status) {
	b := p.status[:0]
	last := int64(0)
	if !s.Last.IsZero() {
		last = s.Last.UnixNano()
	}
	for _, v := range [...]uint64{
		uint64(s.Live), s.Steps, s.Tokens, s.Freed, uint64(last),
	} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	p.status = b
	_ = p.r.Publish(b) // the server is gone: nobody to tell
}

func decodeStatus(b []byte) (s engine.Status) {
	if len(b) < 5*8 {
		return s
	}
	u := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	s = engine.Status{Live: int(u(0)), Steps: u(1), Tokens: u(2), Freed: u(3)}
	if last := u(4); last != 0 {
		s.Last = time.Unix(0, int64(last))
	}
	return s
}
