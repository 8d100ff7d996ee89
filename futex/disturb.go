//go:build linux

package futex

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Disturb makes every sleeper of this process ask the kernel once more for its sleep. One whose
// memory is gone can neither be woken by its word nor find out otherwise: it gets an error
// then. The others sleep on. It costs a signal for each thread: SIGURG, which Go's runtime sends
// to its threads as well, and so expects.
func Disturb() {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return // without /proc they learn when their sleep ends
	}
	pid := os.Getpid()
	for _, task := range tasks {
		if tid, err := strconv.Atoi(task.Name()); err == nil {
			_ = unix.Tgkill(pid, tid, unix.SIGURG) // it may have ended meanwhile
		}
	}
}
