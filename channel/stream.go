package channel

import (
	"context"
	"errors"
	"io"
)

// streamChunk is the longest message that a Writer makes, in bytes, if the channel takes
// that much: large enough that the cost of a message does not count, small enough that
// several are under way at once.
const streamChunk = 64 << 10

// A Writer is an io.Writer whose bytes a Reader on the other side reads. It keeps no
// buffer: every Write is sent before it returns. Writers of several processes may share a
// channel; what one Write writes then arrives in pieces of at most 64 KiB, between those
// of others. Concurrent calls take turns for each piece.
type Writer struct {
	ctx context.Context //nolint:containedctx // io.Writer has no other place for it
	tx  *Sender
	max int
}

// NewWriter returns a Writer over tx. The end of ctx ends its calls. It needs no Close:
// readers see io.EOF when the channel is sealed and drained.
func NewWriter(ctx context.Context, tx *Sender) *Writer {
	return &Writer{ctx: ctx, tx: tx, max: min(streamChunk, tx.ch.MaxMessage())}
}

// Write sends p and returns how many bytes were accepted. Errors are those of Send.
func (w *Writer) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		n := min(len(p)-sent, w.max)
		if err := w.tx.Send(w.ctx, p[sent:sent+n]); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// maxEmptyReads is how often a source may have neither bytes nor an error.
const maxEmptyReads = 100

// errNothing ends a reservation for which the source had no bytes.
var errNothing = errors.New("nothing to send")

// ReadFrom sends all that r has, read straight into shared memory, and returns how many
// bytes that was. While r makes it wait, messages of other senders behind the one that it
// fills are delayed: give it sources that are ready, such as files.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	var total int64
	for {
		var end error
		err := w.tx.SendFunc(w.ctx, w.max, func(b []byte) (int, error) {
			var n int
			for tries := 0; n == 0 && end == nil; tries++ {
				if tries == maxEmptyReads {
					end = io.ErrNoProgress
					break
				}
				n, end = r.Read(b)
			}
			if n == 0 {
				return 0, errNothing
			}
			total += int64(n)
			return n, nil
		})
		switch {
		case end != nil && !errors.Is(end, io.EOF):
			return total, end
		case end != nil && (err == nil || errors.Is(err, errNothing)):
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

// A Reader is an io.Reader of what Writers wrote. It belongs to one goroutine.
type Reader struct {
	ctx  context.Context //nolint:containedctx // io.Reader has no other place for it
	rx   *Receiver
	msg  Message
	rest []byte // of msg
}

// NewReader returns a Reader over rx. The end of ctx ends its calls.
func NewReader(ctx context.Context, rx *Receiver) *Reader { return &Reader{ctx: ctx, rx: rx} }

// Read copies the next bytes to p. It waits for the first ones only, and returns io.EOF
// when the channel is sealed and everything was read. Errors are those of Recv.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	n := 0
	err := r.rx.ch.guardData(func() error { n = copy(p, r.rest); return nil })
	if err != nil {
		return 0, r.rx.ch.fail("recv", err)
	}
	r.rest = r.rest[n:]
	if len(r.rest) == 0 {
		r.msg.Release()
	}
	return n, nil
}

// fill makes rest the bytes of the next message that has any.
func (r *Reader) fill() error {
	for len(r.rest) == 0 {
		r.msg.Release()
		var err error
		if r.msg, err = r.rx.Recv(r.ctx); err != nil {
			return err
		}
		r.rest = r.msg.Bytes()
	}
	return nil
}

// WriteTo writes all that comes to w, straight from shared memory, until the end of the
// channel or an error. A message is released when w took all of it: what w refused stays
// for the next Read.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		err := r.fill()
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(r.rest)
		if n < 0 || n > len(r.rest) {
			return total, io.ErrShortWrite
		}
		total += int64(n)
		r.rest = r.rest[n:]
		if len(r.rest) == 0 {
			r.msg.Release()
		} else if err == nil {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
}

// Close gives back the message that was not read to its end, whose rest is lost. It does
// not close the receiver.
func (r *Reader) Close() error {
	r.msg.Release()
	r.rest = nil
	return nil
}
