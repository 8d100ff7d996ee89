//go:build linux

package shm

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// trusted reports whether the owner may make us work with his bytes: ourselves, a
// uid that the caller allows, or one who shares the file with a group of ours.
func trusted(st *unix.Stat_t, allow []uint32) bool {
	if knownUID(st.Uid) && (st.Uid == uint32(os.Geteuid()) || slices.Contains(allow, st.Uid)) {
		return true
	}
	if st.Mode&unix.S_IWGRP == 0 || !knownGID(st.Gid) {
		return false
	}
	if st.Gid == uint32(os.Getegid()) {
		return true
	}
	groups, err := os.Getgroups()
	return err == nil && slices.Contains(groups, int(st.Gid))
}

// ownerError is for a file of somebody else.
func ownerError(path string, owner, self uint32) error {
	if !knownUID(owner) {
		return fmt.Errorf("%s: %w: it belongs to uid %d, which stands for every user without an "+
			"id in this user namespace, so nobody knows whose it is: map its owner into the "+
			"namespace (this process runs as uid %d)", path, fs.ErrPermission, owner, self)
	}
	return fmt.Errorf("%s: %w: it belongs to uid %d, this process runs as uid %d: run as that "+
		"user, allow that uid explicitly, or create the channel group-writable (mode 0660) "+
		"in a group of both", path, fs.ErrPermission, owner, self)
}

// knownUID reports whether a uid that the kernel told names one user. In a user
// namespace that maps a part of all ids, every other user is shown under one
// id, the overflow id: strangers would look like each other, and like this process if it
// has no mapping itself.
func knownUID(uid uint32) bool {
	return uid != overflowUID() || mapsAll("/proc/self/uid_map")
}

func knownGID(gid uint32) bool {
	return gid != overflowGID() || mapsAll("/proc/self/gid_map")
}

var (
	overflowUID = sync.OnceValue(func() uint32 { return overflow("/proc/sys/kernel/overflowuid") })
	overflowGID = sync.OnceValue(func() uint32 { return overflow("/proc/sys/kernel/overflowgid") })
)

// overflow reads which id stands for those without a mapping; the kernel's own choice
// unless somebody changed it.
func overflow(file string) uint32 {
	const usual = 65534
	n, ok := readNumber(file)
	if !ok || n > 1<<32-1 {
		return usual
	}
	return uint32(n)
}

// mapsAll reports whether the user namespace gives an id to everybody, as the first one
// does. A kernel without user namespaces has no such file. The map can be written once
// while a process runs, so it is read each time.
func mapsAll(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return fullMap(text)
}

// fullMap reads a map of ids. One that is full is one line: the kernel joins nothing, but
// a full map in parts has no use, and is taken for one with gaps.
func fullMap(text []byte) bool {
	const all = 1<<32 - 1 // the last number is no id
	fields := bytes.Fields(text)
	if len(fields) != 3 {
		return false
	}
	first, err := strconv.ParseUint(string(fields[0]), 10, 32)
	if err != nil || first != 0 {
		return false
	}
	count, err := strconv.ParseUint(string(fields[2]), 10, 32)
	return err == nil && count == all
}
