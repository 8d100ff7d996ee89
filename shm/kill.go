//go:build linux

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// Kill ends the process pid by SIGKILL, if it holds a place of this segment or its control
// lock, and returns which. The locks are free a little later: only they say that it is
// dead. Whatever the rows of the segment say, the kernel's list of the locks of that
// process decides, so that nobody else is killed:
//
//	open a pidfd        from here on we mean one process, not a number
//	read its locks      by the number, in /proc
//	ask the pidfd       it still has that number: what was read is of this process
//	kill by the pidfd
//
// A process that gives its places back between the second step and the last dies as well.
// ErrNoHolder says that it holds nothing here, or that it is not of this pid namespace;
// fs.ErrPermission that its locks may not be seen or that it may not be killed.
func (s *Segment) Kill(pid int) (Held, error) {
	var none Held
	if pid <= 0 {
		return none, fmt.Errorf("pid %d: %w", pid, fs.ErrInvalid)
	}
	if pid == os.Getpid() {
		return none, fmt.Errorf("pid %d is this very process: %w", pid, fs.ErrInvalid)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		// Of a thread it is one of the last two.
		return none, s.noHolder(pid, "there is no such process")
	case err != nil:
		return none, fmt.Errorf("open a handle of pid %d: %w", pid, err)
	}
	defer unix.Close(fd) //nolint:errcheck // it holds nothing to write back
	fault.Point("shm.kill.opened")
	held, err := s.heldBy(pid)
	if err != nil {
		return none, err
	}
	fault.Point("shm.kill.read")
	if err := isPid(fd, pid); err != nil {
		return none, err
	}
	if held.none() {
		return none, s.noHolder(pid, "it holds nothing here that /proc shows")
	}
	fault.Point("shm.kill.checked")
	err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return none, fmt.Errorf("pid %d %w: it has ended", pid, ErrNoHolder)
	case err != nil:
		return none, fmt.Errorf("kill pid %d: %w", pid, err)
	}
	return held, nil
}

// isPid fails unless the process behind a pidfd is there and has the number pid in /proc.
func isPid(fd, pid int) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return fmt.Errorf("read the handle of pid %d: %w", pid, err)
	}
	_, after, _ := strings.Cut(string(text), "\nPid:")
	line, _, _ := strings.Cut(after, "\n")
	now, err := strconv.Atoi(strings.TrimSpace(line))
	switch {
	case err != nil:
		return fmt.Errorf("read the handle of pid %d: it names no pid: %q", pid, text)
	case now < 0:
		return fmt.Errorf("pid %d %w: it has ended", pid, ErrNoHolder)
	case now != pid:
		return fmt.Errorf("pid %d %w: /proc shows another pid namespace, mount the own one",
			pid, ErrNoHolder)
	}
	return nil
}

// heldBy asks the kernel which bytes of this segment the open files of a process hold.
func (s *Segment) heldBy(pid int) (Held, error) {
	var held Held
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	files, err := os.ReadDir(filepath.Join(dir, "fd"))
	if errors.Is(err, fs.ErrNotExist) {
		return held, nil
	}
	if err != nil {
		return held, fmt.Errorf("see what pid %d holds: %w", pid, err)
	}
	for _, f := range files {
		var st unix.Stat_t
		if unix.Stat(filepath.Join(dir, "fd", f.Name()), &st) != nil || !s.is(&st) {
			continue // closed meanwhile, or another file
		}
		info, err := os.ReadFile(filepath.Join(dir, "fdinfo", f.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return held, fmt.Errorf("see what pid %d holds: %w", pid, err)
		}
		for line := range strings.Lines(string(info)) {
			held.add(line)
		}
	}
	return held, nil
}

// add takes a line of fdinfo, as lock: 1: OFDLCK  ADVISORY  WRITE -1 00:1b:2578 START END.
func (h *Held) add(line string) {
	fields := strings.Fields(line)
	const kind, mode, start, count = 2, 4, 7, 9
	if len(fields) != count || fields[0] != "lock:" || fields[kind] != "OFDLCK" ||
		fields[mode] != "WRITE" {
		return
	}
	first, err := strconv.ParseInt(fields[start], 10, 64)
	if err != nil {
		return
	}
	last, err := strconv.ParseInt(fields[start+1], 10, 64)
	if err != nil {
		return // to the end of the file: no lock of ours
	}
	for place := range int64(layout.MaxParticipants) { // neighbours are one lock to the kernel
		if at := placeByte(int(place)); first <= at && at <= last {
			h.Places = append(h.Places, int(place))
		}
	}
	h.Control = h.Control || first <= controlByte && controlByte <= last
}

// noHolder says why pid is not killed, by what the rows say of that number.
func (s *Segment) noHolder(pid int, why string) error {
	_ = s.Guard(func() error { // no more words, then
		for place := range s.view.Participants {
			row := &s.view.Participants[place]
			if int(row.Who.PID.Load()) != pid || row.Claim.Load() == 0 { // sync: claim
				continue
			}
			why += fmt.Sprintf("; the pid %d at place %d", pid, place)
			switch {
			case row.Who.PIDNS.Load() != Myself().PIDNS:
				why += " is of another pid namespace: end it from there"
			case !same(&row.Who):
				why += " was another process, which has ended"
			default:
				why += " has left it just now"
			}
		}
		return nil
	})
	return fmt.Errorf("pid %d %w: %s", pid, ErrNoHolder, why)
}
