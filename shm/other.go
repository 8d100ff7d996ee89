//go:build !linux

package shm

import (
	"context"
	"errors"
	"os"
	"time"

	"shmring/internal/layout"
)

// What needs a Linux kernel fails on other systems with errors.ErrUnsupported, so that
// programs that import the package can be built there. Nobody can have a Segment: its
// methods are here to be compiled.

// Create fails with errors.ErrUnsupported.
func Create(context.Context, CreateOptions) (*Segment, error) { return nil, layout.Supported() }

// Open fails with errors.ErrUnsupported.
func Open(context.Context, OpenOptions) (*Segment, error) { return nil, layout.Supported() }

// OpenControlled fails with errors.ErrUnsupported.
func OpenControlled(context.Context, OpenOptions, string) (*Segment, func(), error) {
	return nil, nil, layout.Supported()
}

// OpenFile closes f and fails with errors.ErrUnsupported.
func OpenFile(f *os.File, _ OpenOptions) (*Segment, error) {
	return nil, errors.Join(layout.Supported(), f.Close())
}

// AwaitName fails with errors.ErrUnsupported.
func AwaitName(context.Context, string, string) error { return layout.Supported() }

// List fails with errors.ErrUnsupported.
func List(string) ([]Entry, error) { return nil, layout.Supported() }

// CPUTime returns zero.
func CPUTime() time.Duration { return 0 }

// Space fails with errors.ErrUnsupported.
func Space(string) (free, total uint64, err error) { return 0, 0, layout.Supported() }

// Memory reports false.
func Memory() (free uint64, where string, ok bool) { return 0, "", false }

// Remove fails with errors.ErrUnsupported.
func Remove(context.Context, string, string, RemoveOptions) error { return layout.Supported() }

// RemoveForeign fails with errors.ErrUnsupported.
func RemoveForeign(context.Context, string, string) error { return layout.Supported() }

// GiveBack fails with errors.ErrUnsupported.
func (s *Segment) GiveBack(uint64, uint64) error { return layout.Supported() }

// Refill fails with errors.ErrUnsupported.
func (s *Segment) Refill() error { return layout.Supported() }

// GivenBack fails with errors.ErrUnsupported.
func (s *Segment) GivenBack() (uint64, error) { return 0, layout.Supported() }

// Claim fails with errors.ErrUnsupported.
func (s *Segment) Claim(int) error { return layout.Supported() }

// Unclaim fails with errors.ErrUnsupported.
func (s *Segment) Unclaim(int) error { return layout.Supported() }

// Alive fails with errors.ErrUnsupported.
func (s *Segment) Alive(int) (bool, error) { return false, layout.Supported() }

// TryExclusive fails with errors.ErrUnsupported.
func (s *Segment) TryExclusive() (bool, error) { return false, layout.Supported() }

// Downgrade fails with errors.ErrUnsupported.
func (s *Segment) Downgrade() error { return layout.Supported() }

// Control fails with errors.ErrUnsupported.
func (s *Segment) Control(context.Context, string) (func(), error) {
	return nil, layout.Supported()
}

// TryControl fails with errors.ErrUnsupported.
func (s *Segment) TryControl(string) (func(), bool, error) {
	return nil, false, layout.Supported()
}

// Kill fails with errors.ErrUnsupported.
func (s *Segment) Kill(int) (Held, error) { return Held{}, layout.Supported() }

// Notify fails with errors.ErrUnsupported.
func (s *Segment) Notify(func(Notice)) (func(), error) { return nil, layout.Supported() }

// File fails with errors.ErrUnsupported.
func (s *Segment) File() (*os.File, error) { return nil, layout.Supported() }

// Linked fails with errors.ErrUnsupported.
func (s *Segment) Linked() (bool, error) { return false, layout.Supported() }

// Links fails with errors.ErrUnsupported.
func (s *Segment) Links() (uint64, error) { return 0, layout.Supported() }

// Unlink fails with errors.ErrUnsupported.
func (s *Segment) Unlink() error { return layout.Supported() }

// Detach fails with errors.ErrUnsupported.
func (s *Segment) Detach(context.Context, func() bool) error { return layout.Supported() }

// Close fails with errors.ErrUnsupported.
func (s *Segment) Close() error { return layout.Supported() }

// errNoSpc has no number of its own where nothing can be created.
var errNoSpc = errors.ErrUnsupported

func pidNamespace() uint64 { return 0 }
