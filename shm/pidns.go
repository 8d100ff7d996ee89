//go:build linux

package shm

import "golang.org/x/sys/unix"

// pidNamespace returns the inode of this process's pid namespace, 0 unknown.
func pidNamespace() uint64 {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil {
		return 0
	}
	return st.Ino
}
