package shm

import (
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"
)

// Guard runs fn and turns a fault inside this segment's mapping into ErrFault: the
// file was truncated or its pages were punched out on a full file system. Other
// panics pass. It works for the calling goroutine and costs about 8 ns.
func (s *Segment) Guard(fn func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			err = s.faultError(r)
		}
	}()
	return fn()
}

// goneText says why memory is gone, and what to do.
const goneText = "the file was truncated or punched; close the channel and create it anew"

// faultError returns an error for a panic of ours and panics on with any other.
func (s *Segment) faultError(r any) error {
	fault, ok := r.(interface{ Addr() uintptr })
	if !ok {
		panic(r)
	}
	off, ok := offsetIn(s.mem, fault.Addr())
	if !ok {
		panic(r)
	}
	return fmt.Errorf("%w at byte %d of %d: %s", ErrFault, off, len(s.mem), goneText)
}

// Fault returns err, which is ErrFault too if the kernel was given an address of memory
// that is gone: it answers EFAULT where a program's own access is a fault.
func Fault(err error) error {
	if errors.Is(err, syscall.EFAULT) && !errors.Is(err, ErrFault) {
		return fmt.Errorf("%w: %w: %s", ErrFault, err, goneText)
	}
	return err
}
