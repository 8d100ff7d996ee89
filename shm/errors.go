package shm

import (
	"errors"
	"fmt"

	"shmring/internal/layout"
)

// Errors to test for with errors.Is. Package channel exports the same values.
var (
	// ErrBusy says that somebody living holds what was asked for.
	ErrBusy = errors.New("busy")
	// ErrNoHolder says that a process holds no place of the segment.
	ErrNoHolder = errors.New("takes no part")
	// ErrNoSpace says that shared memory is too small; errors.Is(err, ENOSPC) holds too.
	ErrNoSpace = errors.New("not enough shared memory")
	// ErrLayout says that the segment has another layout or geometry.
	ErrLayout = errors.New("other layout")
	// ErrOrphaned says that the segment was unlinked or replaced under its name.
	ErrOrphaned = errors.New("segment was unlinked: close the channel and open its name again")
	// ErrStale says that the segment belongs to another boot or instance.
	ErrStale = errors.New("stale segment")
	// ErrCorrupt says that the segment holds bytes that cannot be.
	ErrCorrupt = errors.New("corrupt segment")
	// ErrFault says that the segment's memory is gone: somebody truncated the file.
	ErrFault = errors.New("segment memory is gone")
)

// A BusyError says what is held and by whom. It is ErrBusy.
type BusyError struct {
	What   string // what was asked for
	Holder string // who holds it, in words; may be empty
}

// Error implements error.
func (e *BusyError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("%s is %v", e.What, ErrBusy)
	}
	return fmt.Sprintf("%s is %v: held by %s", e.What, ErrBusy, e.Holder)
}

// Unwrap makes it ErrBusy.
func (e *BusyError) Unwrap() error { return ErrBusy }

// A NoSpaceError gives the numbers in bytes. It is ErrNoSpace and ENOSPC.
type NoSpaceError struct {
	Need   uint64
	Free   uint64
	Where  string // what is too small
	Remedy string
}

// Error implements error.
func (e *NoSpaceError) Error() string {
	if e.Need == 0 {
		return fmt.Sprintf("%v: %s: %s", ErrNoSpace, e.Where, e.Remedy)
	}
	return fmt.Sprintf("%v: need %d bytes, %s has %d free: %s",
		ErrNoSpace, e.Need, e.Where, e.Free, e.Remedy)
}

// Unwrap makes it ErrNoSpace and ENOSPC.
func (e *NoSpaceError) Unwrap() []error { return []error{ErrNoSpace, errNoSpc} }

// headerError sorts what is wrong with a header into ErrLayout and ErrCorrupt.
func headerError(path string, err error) error {
	if he, ok := errors.AsType[*layout.HeaderError](err); ok && he.Foreign {
		return fmt.Errorf("%s: %w: %w", path, ErrLayout, err)
	}
	return fmt.Errorf("%s: %w: %w: nobody can use it, remove it", path, ErrCorrupt, err)
}
