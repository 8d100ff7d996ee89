package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// A poller waits for a stream of another program and for the end of a context at
// once: a read of a terminal or a write to a full pipe knows no contexts.
type poller struct {
	ctx    context.Context
	ended  *os.File // readable once ctx has ended
	fd     int32    // of ended
	forget func() bool
}

// newPoller returns a poller for ctx, to be closed by the same goroutine that waits.
func newPoller(ctx context.Context) (*poller, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	p := &poller{ctx: ctx, ended: os.NewFile(uintptr(fd), "end of context"), fd: int32(fd)}
	p.forget = context.AfterFunc(ctx, func() {
		_, _ = p.ended.Write([]byte{7: 1}) // closed meanwhile: nobody waits any more
	})
	return p, nil
}

func (p *poller) close() {
	p.forget()
	_ = p.ended.Close() // nothing was written that could be lost
}

// wait waits until one of events, an error or a hang-up is there on fd, and returns
// what is. When ctx ends first, it returns the cause.
func (p *poller) wait(fd int, events int16) (int16, error) {
	fds := [2]unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: p.fd, Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds[:], -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, os.NewSyscallError("poll", err)
		case fds[1].Revents != 0:
			return 0, context.Cause(p.ctx)
		}
		return fds[0].Revents, nil
	}
}

// descriptor returns the file descriptor behind a stream without changing its mode.
// The stream must stay open while it is used.
func descriptor(stream any) (fd int, ok bool) {
	f, ok := stream.(*os.File)
	if !ok {
		return -1, false
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, false
	}
	err = conn.Control(func(n uintptr) { fd = int(n) })
	return fd, err == nil
}
