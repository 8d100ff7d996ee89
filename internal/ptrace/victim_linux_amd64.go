package ptrace

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Go runs f, in a process that is going to be traced, in a goroutine with a thread of its own
// that is not the first of the process.
func Go(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			Go(f)
			select {} // keeps the first thread
		}
		f()
	}()
}

// Watcher returns the thread of this process that Go's runtime starts before all others. It
// has a goroutine that runs for 10 ms give way to others: a tracer stops it, so that what
// is stepped executes the instructions of its own only.
func Watcher() (tid int, err error) {
	dir, err := os.Open("/proc/self/task")
	if err != nil {
		return 0, err
	}
	defer dir.Close()                 //nolint:errcheck // read only
	names, err := dir.Readdirnames(2) // in the order in which they were started
	if err != nil || len(names) < 2 {
		return 0, fmt.Errorf("threads %v: %w", names, err)
	}
	return strconv.Atoi(names[1])
}
