package measure

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// AnyCore is the core of a side that is not pinned.
const AnyCore = -1

// Cores lists the cores that this process may run on.
func Cores() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil
	}
	var cores []int
	for i := range 64 * len(set) {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores
}

// Pin moves every thread of this process to one core and the calling goroutine to one
// thread. The returned function undoes that.
func Pin(core int) (func(), error) {
	runtime.LockOSThread()
	if core == AnyCore {
		return runtime.UnlockOSThread, nil
	}
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, fmt.Errorf("ask for the cores of this process: %w", err)
	}
	// Setting it also ends its adjustment: a process on one core must not become one
	// with a single P while it is measured.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	one.Set(core)
	if err := setAffinity(&one); err != nil {
		return nil, fmt.Errorf("pin to core %d: %w", core, err)
	}
	return func() {
		_ = setAffinity(&before) // it had that before
		runtime.UnlockOSThread()
	}, nil
}

// setAffinity sets the cores of every thread. A thread that starts meanwhile inherits
// them from the one that starts it; the second look finds it if that was still to come.
func setAffinity(set *unix.CPUSet) error {
	for range 2 {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(tid, set); err != nil && err != unix.ESRCH {
				return err
			}
		}
	}
	return nil
}
