//go:build linux

package shm

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"shmring/internal/layout"
)

// lockByte tries to take one lock byte on the description behind fd, shared
// (F_RDLCK) or exclusive (F_WRLCK), or to convert a lock it has. It never waits. It
// reports false if another description is in the way; what was held stays held then.
func lockByte(fd int, kind int16, off int64) (bool, error) {
	err := setLock(fd, kind, off)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EAGAIN): // EACCES is a security module's refusal, not a holder
		return false, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return false, fmt.Errorf("lock a byte of the segment: %w: this system has no "+
			"open-file-description locks, which shmring needs to know who lives", err)
	}
	return false, fmt.Errorf("lock a byte of the segment: %w", err)
}

func unlockByte(fd int, off int64) error {
	if err := setLock(fd, unix.F_UNLCK, off); err != nil {
		return fmt.Errorf("unlock a byte of the segment: %w", err)
	}
	return nil
}

func setLock(fd int, kind int16, off int64) error {
	for {
		l := unix.Flock_t{Type: kind, Start: off, Len: 1}
		err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &l)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// heldByte asks whether a lock of the given kind would be refused. It takes nothing:
// fd must be a description that holds no lock itself, since its own would not show.
func heldByte(fd int, kind int16, off int64) (bool, error) {
	l, err := getLock(fd, kind, off)
	return err == nil && l.Type != unix.F_UNLCK, err
}

func getLock(fd int, kind int16, off int64) (unix.Flock_t, error) {
	for {
		l := unix.Flock_t{Type: kind, Start: off, Len: 1}
		err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &l)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return l, fmt.Errorf("ask for a lock of the segment: %w", err)
		}
		return l, nil
	}
}

// squatter says for people what is in the way of an exclusive lock and is none of ours:
// participants lock exclusively, and by description. It is empty otherwise.
func squatter(fd int, off int64) string {
	l, err := getLock(fd, unix.F_WRLCK, off)
	switch {
	case err != nil || l.Type == unix.F_UNLCK:
		return ""
	case l.Pid > 0:
		return fmt.Sprintf("pid %d by a process lock, which no participant takes: end that process",
			l.Pid)
	case l.Type == unix.F_RDLCK:
		return "a reader by a shared lock, which no participant takes: /proc/*/fdinfo/* of " +
			"who has the file open shows whose"
	}
	return ""
}

func placeByte(place int) int64 { return layout.LockBase + layout.LockParticipant + int64(place) }

const (
	attachedByte = int64(layout.LockBase + layout.LockAttached)
	controlByte  = int64(layout.LockBase + layout.LockControl)
)
