package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"shmring/channel"
)

// sendOptions are the flags of send.
type sendOptions struct {
	geometry *geometry
	lines    bool
	file     string
	chunk    int
	seal     bool
	timeout  time.Duration
}

func newSendCmd(a *app) *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send NAME [TEXT...]",
		Short: "Send arguments, lines or a file",
		Long: `Send sends each TEXT as one message; with --lines each line of the standard input,
without its newline; with --file the bytes of a file. It creates an ephemeral channel if there is
none, and uses one that is there whatever its geometry, unless flags ask for another. Unread
messages and an unread end keep the channel: send and recv may start in any order, and need not
run at the same time.

While the channel is full, send waits. When it returns 0, everything is in the channel and will
be delivered. Several may send at once; the messages of each stay in order.

With --seal it then ends the channel, for all senders: recv gets what was sent before that and
the end after it. When several send at once, only the one that is done last must seal; the
others would be refused (6). Send does not seal after a failure or a signal.

With --file a file that fits is one message; a larger one is sent in consecutive messages of at
most --chunk bytes, which recv --raw puts together again. "-" is the standard input.`,
		Example: `  shmctl send q hello "two words"
  seq 1 1000000 | shmctl send q --lines --seal
  shmctl send q --file model.bin --seal`,
		Args:              named(0, -1),
		ValidArgsFunction: a.completeName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(args[1:]); err != nil {
				return err
			}
			return a.send(cmd.Context(), args[0], args[1:], o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.lines, "lines", "l", false, "send each line of the standard input")
	flags.StringVarP(&o.file, "file", "f", "", "send the bytes of a file; - is the standard input")
	flags.Var(sizeValue{n: &o.chunk}, "chunk",
		"most bytes of a message with --file (default a quarter of the largest message)")
	flags.BoolVar(&o.seal, "seal", false, "end the channel after the input")
	flags.DurationVar(&o.timeout, "timeout", 0, "longest wait for room (default for ever)")
	o.geometry = geometryFlags(flags)
	return cmd
}

// check refuses flags that do not fit each other.
func (o sendOptions) check(texts []string) error {
	sources := 0
	for _, given := range []bool{len(texts) > 0, o.lines, o.file != ""} {
		if given {
			sources++
		}
	}
	switch {
	case sources > 1:
		return usagef("texts, --lines and --file exclude each other")
	case sources == 0 && !o.seal:
		return usagef("nothing to send: give texts, --lines, --file or --seal")
	case o.chunk != 0 && o.file == "":
		return usagef("--chunk is for --file")
	case o.timeout < 0:
		return usagef("--timeout %s is negative", o.timeout)
	}
	return nil
}

func (a *app) send(ctx context.Context, name string, texts []string, o sendOptions) error {
	p, err := newPoller(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	end := ""
	if o.seal {
		end = "end of input"
	}
	return a.asSender(ctx, name, o.geometry, o.timeout, end, func(s *sending) error {
		return a.sendFrom(ctx, p, s, texts, o)
	})
}

// asSender runs work as a sender of a channel, which it makes if there is none, and seals that
// afterwards if end says why.
func (a *app) asSender(
	ctx context.Context, name string, g *geometry, timeout time.Duration, end string,
	work func(*sending) error,
) (err error) {
	ch, err := a.attach(ctx, name, g, true)
	if err != nil {
		return err
	}
	defer func() { err = first(err, leave(ch)) }()
	s := sending{ch: ch, timeout: timeout}
	tctx, cancel := s.within(ctx)
	s.tx, err = ch.Sender(tctx)
	cancel()
	if err != nil {
		return err
	}
	err = first(work(&s), s.tx.Close())
	if err == nil && end != "" {
		err = ch.Seal(end)
	}
	return err
}

// sendFrom sends what the flags say.
func (a *app) sendFrom(
	ctx context.Context, p *poller, s *sending, texts []string, o sendOptions,
) error {
	switch {
	case o.lines:
		return s.sendLines(ctx, newInput(a.stdin, p))
	case o.file != "":
		r, done, err := a.openInput(o.file)
		if err != nil {
			return err
		}
		defer done()
		return s.sendFile(ctx, newInput(r, p), o.chunk)
	}
	batch := make([][]byte, len(texts))
	for i, text := range texts {
		batch[i] = []byte(text)
	}
	return s.put(ctx, batch)
}

// A sending is one run of send.
type sending struct {
	ch      *channel.Channel
	tx      *channel.Sender
	timeout time.Duration // longest wait for room; zero: for ever
	sent    int           // messages
}

// within bounds one wait.
func (s *sending) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return bounded(ctx, s.timeout)
}

func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

// put sends a batch. The time limit is for a wait in which nothing could be sent.
func (s *sending) put(ctx context.Context, batch [][]byte) error {
	for len(batch) > 0 {
		tctx, cancel := s.within(ctx)
		n, err := s.tx.SendBatch(tctx, batch)
		cancel()
		s.sent += n
		batch = batch[n:]
		if err != nil && (n == 0 || !errors.Is(err, context.DeadlineExceeded)) {
			return s.failed(err)
		}
	}
	return nil
}

// failed says how far it came.
func (s *sending) failed(err error) error {
	if op, ok := errors.AsType[*channel.OpError](err); ok && errors.Is(err, channel.ErrTooBig) {
		err = fmt.Errorf("message %d: %w", s.sent+1, op.Err)
	}
	return &progressError{err: err, done: s.sent}
}

// sendLines sends each line of r.
func (s *sending) sendLines(ctx context.Context, r io.Reader) error {
	lines := newLineReader(r, s.ch.MaxMessage())
	for {
		batch, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return s.failed(err)
		}
		if err := s.put(ctx, batch); err != nil {
			return err
		}
	}
}

// filePart is the default of --chunk, as a part of the largest message: some are under
// way while the next is read.
const filePart = 4

// sendFile sends the bytes of r: as one message if they fit, else in chunks.
func (s *sending) sendFile(ctx context.Context, r io.Reader, chunk int) error {
	whole := s.ch.MaxMessage()
	if chunk == 0 {
		chunk = max(whole/filePart, 1)
	} else {
		chunk = min(chunk, whole)
		whole = chunk
	}
	buf := make([]byte, whole+1)
	n, err := io.ReadFull(r, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.put(ctx, [][]byte{buf[:n]})
	}
	for err == nil {
		done := 0
		for ; n-done >= chunk; done += chunk {
			if err := s.put(ctx, [][]byte{buf[done : done+chunk]}); err != nil {
				return err
			}
		}
		rest := copy(buf, buf[done:n])
		n, err = io.ReadFull(r, buf[rest:])
		n += rest
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return s.failed(err)
	}
	for done := 0; done < n; done += chunk {
		if err := s.put(ctx, [][]byte{buf[done:min(done+chunk, n)]}); err != nil {
			return err
		}
	}
	return nil
}

// A progressError is a failure in the middle of sending.
type progressError struct {
	err  error
	done int // messages that were sent
}

func (e *progressError) Error() string {
	return fmt.Sprintf("%v; sent before: %s %s", e.err, humanize.Comma(int64(e.done)),
		english.PluralWord(e.done, "message", ""))
}

func (e *progressError) Unwrap() error { return e.err }
