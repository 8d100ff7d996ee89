//go:build linux

package shm

// What tests of the package look at from outside.
var (
	PathOf       = pathOf
	NameOf       = nameOf
	CgroupFreeIn = cgroupFreeIn
	FullMap      = fullMap
)

// DropWatches makes the kernel forget the watches of the notifier, as if it had done so
// by itself, and returns how many there were.
func DropWatches(drop func(fd int, wd int32)) int {
	hub.mu.Lock()
	defer hub.mu.Unlock()
	for wd := range hub.watches {
		drop(hub.fd, wd)
	}
	return len(hub.watches)
}

// HoldLife keeps a segment as a Close does that waits for a running call.
func (s *Segment) HoldLife() (letGo func()) {
	s.life.Lock()
	return s.life.Unlock
}

// HoldHub runs f while the notifier hands out nothing.
func HoldHub(f func()) {
	hub.mu.Lock()
	defer hub.mu.Unlock()
	f()
}

// Mem gives tests the whole mapping.
func (s *Segment) Mem() []byte { return s.mem }
