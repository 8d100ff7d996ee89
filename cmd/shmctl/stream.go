package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// errReaderGone ends a command whose output nobody reads any more. It is no failure.
var errReaderGone = errors.New("nobody reads the output any more")

// An input is a stream whose Read ends with a context.
type input struct {
	r    io.Reader
	fd   int // -1: Read cannot be waited for
	poll *poller
}

func newInput(r io.Reader, p *poller) *input {
	fd, ok := descriptor(r)
	if !ok {
		fd = -1
	}
	return &input{r: r, fd: fd, poll: p}
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if in.fd >= 0 {
		if _, err := in.poll.wait(in.fd, unix.POLLIN); err != nil {
			return 0, err
		}
	}
	return in.r.Read(p)
}

// pipeChunk is what a pipe that is ready for writing takes without blocking.
const pipeChunk = 4096

// An output is a stream whose Write ends with a context, and with errReaderGone. It
// holds nothing back: what Write counts is out of this process.
type output struct {
	w     io.Writer
	fd    int // of a pipe, socket or terminal; else -1: a write never waits for anybody
	poll  *poller
	piped bool // the reader can go away
}

func newOutput(w io.Writer, p *poller) *output {
	out := &output{w: w, fd: -1, poll: p}
	fd, ok := descriptor(w)
	if !ok {
		return out
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return out // the first write tells
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO, unix.S_IFSOCK:
		out.fd, out.piped = fd, true
	case unix.S_IFCHR:
		out.fd = fd
	}
	return out
}

// ready waits until a reader has room, without anything in hand for it.
func (out *output) ready() error {
	if out.fd < 0 {
		return nil
	}
	events, err := out.poll.wait(out.fd, unix.POLLOUT)
	if err == nil && out.piped && events&unix.POLLERR != 0 {
		err = errReaderGone
	}
	return err
}

// Write implements io.Writer.
func (out *output) Write(p []byte) (int, error) {
	if out.fd < 0 {
		n, err := out.w.Write(p)
		return n, writeError(err)
	}
	done := 0
	for done < len(p) {
		if err := out.ready(); err != nil {
			return done, err
		}
		n, err := out.w.Write(p[done:min(len(p), done+pipeChunk)])
		done += n
		if err != nil {
			return done, writeError(err)
		}
	}
	return done, nil
}

func writeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPIPE):
		return errReaderGone
	}
	return fmt.Errorf("write the output: %w", err)
}

// onGone calls gone when the reader of the output goes away, until stop is called.
func (out *output) onGone(gone func(error)) (stop func(), err error) {
	if !out.piped {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	p, err := newPoller(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if _, err := p.wait(out.fd, 0); err == nil { // only errors and hang-ups are left
			gone(errReaderGone)
		}
	}()
	return func() {
		cancel()
		<-over
		p.close()
	}, nil
}

// openInput opens a file to send; "-" is the standard input.
func (a *app) openInput(path string) (r io.Reader, done func(), err error) {
	if path == "-" {
		return a.stdin, func() {}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, &fileError{err}
	}
	return f, func() { _ = f.Close() }, nil // opened for reading
}

// A fileError is about a file of the user: that it does not exist says nothing about
// a channel.
type fileError struct{ err error }

func (e *fileError) Error() string { return e.err.Error() }
