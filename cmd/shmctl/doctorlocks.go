package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/layout"
)

// A heldLock is a lock of a segment as the kernel shows it.
type heldLock struct {
	kind  string // OFDLCK or POSIX
	mode  string // READ or WRITE
	pid   int    // of a process lock
	first int64  // byte
	last  int64  // byte; neighbours are one lock to the kernel
}

// place reports whether the lock is that of a participant's place.
func (l heldLock) place(place int) bool {
	at := int64(layout.LockBase+layout.LockParticipant) + int64(place)
	return l.kind == "OFDLCK" && l.mode == "WRITE" && l.first <= at && at <= l.last
}

// parseLock reads a line of /proc/locks, or one of fdinfo behind "lock:", as
//
//	1: POSIX  ADVISORY  WRITE 4711 00:1b:2578 0 EOF
//
// and returns the device and inode of the file as they stand there.
func parseLock(line string) (l heldLock, file string, ok bool) {
	fields := strings.Fields(line)
	const kind, mode, pid, id, start, count = 1, 3, 4, 5, 6, 8
	if len(fields) != count {
		return l, "", false
	}
	l = heldLock{kind: fields[kind], mode: fields[mode], last: math.MaxInt64}
	var err, badStart error
	l.pid, err = strconv.Atoi(fields[pid])
	l.first, badStart = strconv.ParseInt(fields[start], 10, 64)
	if last := fields[start+1]; last != "EOF" {
		var bad error
		l.last, bad = strconv.ParseInt(last, 10, 64)
		err = errors.Join(err, bad)
	}
	return l, fields[id], err == nil && badStart == nil
}

// locks looks for locks that no participant takes, and for locks that outlive the
// participant because a forked child has the same open file.
func (d *doctor) locks(ctx context.Context) []finding {
	const check = "locks"
	entries, err := channel.List(d.dir)
	if err != nil {
		return nil // segments says so
	}
	segments := make(map[fileID]string)
	for _, e := range entries {
		var st unix.Stat_t
		if unix.Stat(e.Path, &st) == nil {
			segments[fileID{st.Dev, st.Ino}] = e.Name
		}
	}
	found := d.processLocks(segments)
	holders, unseen := d.holders(segments)
	for _, name := range slices.Sorted(maps.Keys(holders)) {
		found = append(found, d.places(ctx, name, holders[name])...)
	}
	if len(found) > 0 {
		return found
	}
	text := "only those of participants"
	if unseen > 0 {
		text += fmt.Sprintf(" (%d processes could not be looked at)", unseen)
	}
	return []finding{well(check, text)}
}

type fileID struct{ dev, ino uint64 }

// String returns it as the lists of locks spell it.
func (f fileID) String() string {
	return fmt.Sprintf("%02x:%02x:%d", unix.Major(f.dev), unix.Minor(f.dev), f.ino)
}

// processLocks finds locks that belong to a process rather than to an open file.
func (d *doctor) processLocks(segments map[fileID]string) []finding {
	names := make(map[string]string)
	for id, name := range segments {
		names[id.String()] = name
	}
	var found []finding
	for line := range strings.Lines(d.read("/proc/locks")) {
		l, file, ok := parseLock(line)
		name, ours := names[file]
		if !ok || !ours || l.kind != "POSIX" {
			continue
		}
		found = append(found, fail("locks of "+name, fmt.Sprintf("pid %d (%s) holds a process "+
			"lock, which no participant takes: others wait for it", l.pid, d.comm(l.pid)),
			fmt.Sprintf("end that process (kill %d)", l.pid)))
	}
	return found
}

// A holder is a lock of a process.
type holder struct {
	pid  int
	lock heldLock
}

// holders finds by the open files of all processes who holds which locks.
func (d *doctor) holders(segments map[fileID]string) (by map[string][]holder, unseen int) {
	by = make(map[string][]holder)
	processes, err := filepath.Glob(filepath.Join(d.root, "/proc/[0-9]*"))
	if err != nil {
		return by, 0
	}
	for _, dir := range processes {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			unseen++ // somebody else's, or it has ended
			continue
		}
		for _, f := range files {
			var st unix.Stat_t
			if unix.Stat(filepath.Join(dir, "fd", f.Name()), &st) != nil {
				continue
			}
			name, ours := segments[fileID{st.Dev, st.Ino}]
			if !ours {
				continue
			}
			for _, l := range locksOf(filepath.Join(dir, "fdinfo", f.Name())) {
				by[name] = append(by[name], holder{pid, l})
			}
		}
	}
	return by, unseen
}

// places compares who holds the lock of each place with who says that it is his. A lock
// belongs to an open file: a child that was forked without exec has it too, and keeps it
// when its parent dies.
func (d *doctor) places(ctx context.Context, name string, holders []holder) []finding {
	e, err := d.a.find(name)
	if err != nil {
		return nil // it went meanwhile
	}
	v := d.a.look(ctx, e)
	var found []finding
	for _, p := range v.participants {
		var pids []int
		for _, h := range holders {
			if h.lock.place(p.Place) && !slices.Contains(pids, h.pid) {
				pids = append(pids, h.pid)
			}
		}
		own := slices.Index(pids, int(p.PID))
		if own >= 0 {
			pids = slices.Delete(pids, own, own+1)
		}
		if len(pids) == 0 {
			continue
		}
		check := "locks of " + name
		kill := "end it: kill " + strings.Trim(fmt.Sprint(pids), "[]")
		switch {
		case own >= 0:
			found = append(found, warn(check, fmt.Sprintf("%s shares the lock of the %s %s: a "+
				"child forked without exec, whose parent's death nobody would notice",
				d.names(pids), p.Role, p.Who), kill+", and start children by exec"))
		case strings.HasSuffix(p.Who, "pid namespace"): // the numbers cannot be compared
		default:
			found = append(found, fail(check, fmt.Sprintf("%s keeps the lock of the %s %s, as a "+
				"child forked without exec does: it counts as alive", d.names(pids), p.Role, p.Who),
				kill))
		}
	}
	return found
}

// names says who several processes are.
func (d *doctor) names(pids []int) string {
	names := make([]string, len(pids))
	for i, pid := range pids {
		names[i] = fmt.Sprintf("pid %d (%s)", pid, d.comm(pid))
	}
	return strings.Join(names, " and ")
}

// locksOf reads the locks of one open file.
func locksOf(fdinfo string) []heldLock {
	text, err := os.ReadFile(fdinfo)
	if err != nil {
		return nil // closed meanwhile
	}
	var locks []heldLock
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "lock:")
		if !ok {
			continue
		}
		if l, _, ok := parseLock(rest); ok {
			locks = append(locks, l)
		}
	}
	return locks
}

func (d *doctor) comm(pid int) string {
	name := d.read("/proc/" + strconv.Itoa(pid) + "/comm")
	if name == "" {
		return "ended"
	}
	return name
}
