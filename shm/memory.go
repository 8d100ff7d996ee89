//go:build linux

package shm

// Memory returns how many bytes the smallest memory cgroup around this process leaves, and
// which one that is. It reports false if none has a limit. A channel is charged to the
// cgroup of its creator, all of it when it is created.
func Memory() (free uint64, where string, ok bool) { return cgroupFree() }
