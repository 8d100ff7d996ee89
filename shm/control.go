//go:build linux

package shm

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// Control takes the control lock, which the kernel frees when its holder dies. op
// says for people what it is taken for. It tries until ctx ends; the error is then
// both the context's and a *BusyError that names the holder. The caller must call
// release, once.
func (s *Segment) Control(ctx context.Context, op string) (release func(), err error) {
	if err := s.writable(op); err != nil {
		return nil, err
	}
	select {
	case s.control <- struct{}{}: // ours first: locks do not exclude inside one description
	default:
		select {
		case s.control <- struct{}{}:
		case <-ctx.Done():
			return nil, s.controlBusy(context.Cause(ctx))
		}
	}
	var b backoff
	for {
		ok, err := s.lockControl(op)
		if ok {
			return s.freeControl, nil
		}
		if err == nil {
			if err = b.wait(ctx); err == nil {
				continue
			}
			err = s.controlBusy(err)
		}
		<-s.control
		return nil, err
	}
}

// TryControl takes the control lock if it is free. ok tells.
func (s *Segment) TryControl(op string) (release func(), ok bool, err error) {
	if err := s.writable(op); err != nil {
		return nil, false, err
	}
	select {
	case s.control <- struct{}{}:
	default:
		return nil, false, nil
	}
	if ok, err = s.lockControl(op); !ok {
		<-s.control
		return nil, false, err
	}
	return s.freeControl, true, nil
}

// lockControl tries once and writes down who holds the lock.
func (s *Segment) lockControl(op string) (bool, error) {
	won := false
	err := s.withFile(func(fd int) error { // the mapping stays as long as the descriptors
		ok, err := lockByte(fd, unix.F_WRLCK, controlByte)
		if !ok || err != nil {
			return err
		}
		fault.Point("shm.control.locked")
		err = s.Guard(func() error {
			holder := &s.view.Control.Holder
			layout.StoreText(holder.Op[:], op)
			Myself().Store(&holder.Who, layout.RoleController)
			return nil
		})
		if err != nil {
			_ = unlockByte(fd, controlByte) // the fault is what to report
			return err
		}
		won = true
		return nil
	})
	return won, err
}

func (s *Segment) freeControl() {
	s.unlockControl()
	<-s.control
}

// unlockControl frees the kernel's lock; others of this attachment still wait.
func (s *Segment) unlockControl() {
	_ = s.withFile(s.unlockControlOf) // it fails only if the segment was closed, which freed it
}

func (s *Segment) unlockControlOf(fd int) error {
	_ = s.Guard(func() error { // memory that is gone holds no name either
		s.view.Control.Holder.Who.PID.Store(0)
		return nil
	})
	fault.Point("shm.control.unlock")
	return unlockByte(fd, controlByte)
}

// controlBusy adds the holder to why the wait ended.
func (s *Segment) controlBusy(cause error) error {
	busy := &BusyError{What: "the control lock"}
	err := s.withFile(func(fd int) error {
		if busy.Holder = squatter(fd, controlByte); busy.Holder != "" {
			return nil
		}
		return s.Guard(func() error {
			busy.Holder = describeHolder(&s.view.Control.Holder)
			return nil
		})
	})
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %w", cause, busy)
}

func describeHolder(h *layout.Holder) string {
	text := describeIdentity(&h.Who)
	if h.Who.PID.Load() == 0 {
		return text // the rest is about the holder before
	}
	if Stopped(h.Who.PID.Load(), h.Who.PIDNS.Load(), h.Who.Start.Load()) {
		text += ", stopped,"
	}
	if op := layout.LoadText(h.Op[:]); op != "" {
		text += " to " + op
	}
	if since := h.Who.WhenNs.Load(); since > 0 {
		age := time.Since(time.Unix(0, since)).Round(time.Millisecond)
		text += fmt.Sprintf(" since %v", age)
	}
	return text
}
