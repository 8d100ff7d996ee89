//go:build linux

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
)

// Claim takes the exclusive lock on the byte of a place. It never waits: a
// *BusyError says that somebody has it, maybe this very attachment.
func (s *Segment) Claim(place int) error {
	if err := s.writable("claim a place"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Locks do not exclude inside one description, so the table asks first.
	if s.claimed[place] {
		return &BusyError{What: fmt.Sprintf("place %d", place), Holder: "this process"}
	}
	return s.withFile(func(fd int) error {
		ok, err := lockByte(fd, unix.F_WRLCK, placeByte(place))
		if err != nil {
			return err
		}
		if !ok {
			return &BusyError{
				What: fmt.Sprintf("place %d", place), Holder: squatter(fd, placeByte(place)),
			}
		}
		fault.Point("shm.claim.locked")
		s.claimed[place] = true
		return nil
	})
}

// Unclaim frees the byte of a place that this attachment holds.
func (s *Segment) Unclaim(place int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.claimed[place] {
		return fmt.Errorf("place %d is not ours", place)
	}
	return s.withFile(func(fd int) error {
		fault.Point("shm.unclaim.unlock")
		err := unlockByte(fd, placeByte(place))
		s.claimed[place] = err != nil // what could not be freed is still ours
		return err
	})
}

// Alive asks the kernel whether somebody holds the place exclusively; a shared lock
// of a mere reader is no sign of life. It sees this attachment's own places too.
func (s *Segment) Alive(place int) (bool, error) {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.probe == nil {
		return false, os.ErrClosed
	}
	return heldByte(int(s.probe.Fd()), unix.F_RDLCK, placeByte(place))
}

// writable refuses what an observer may not do.
func (s *Segment) writable(what string) error {
	if s.readOnly {
		return fmt.Errorf("%s: %w: this attachment is read-only", what, fs.ErrPermission)
	}
	return nil
}

// TryExclusive tries to turn the shared attached byte into an exclusive one: true
// means that nobody else is attached read-write and that nobody can become so. The
// caller holds the control lock. A failed try keeps the shared lock.
func (s *Segment) TryExclusive() (bool, error) {
	if err := s.writable("ask whether anybody is attached"); err != nil {
		return false, err
	}
	won := false
	err := s.withFile(func(fd int) error {
		var err error
		won, err = lockByte(fd, unix.F_WRLCK, attachedByte)
		fault.Point("shm.attached.tried")
		return err
	})
	return won, err
}

// Downgrade turns the exclusive attached byte back into a shared one.
func (s *Segment) Downgrade() error {
	return s.withFile(func(fd int) error {
		fault.Point("shm.attached.downgrade")
		ok, err := lockByte(fd, unix.F_RDLCK, attachedByte)
		if err == nil && !ok {
			err = errors.New("share the attached byte: somebody else holds it")
		}
		return err
	})
}
