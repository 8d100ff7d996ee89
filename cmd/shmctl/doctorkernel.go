package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// kernel tries what the library asks of the kernel, on files without names.
func (d *doctor) kernel(context.Context) []finding {
	found := []finding{kernelVersion()}
	found = append(found, d.files()...)
	return append(found, futexWaitv(), pidfd(), inotify(), procfs())
}

func kernelVersion() finding {
	const check = "kernel"
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return warn(check, fmt.Sprintf("its version is unknown: %v", err), "see uname -r")
	}
	return kernelRelease(unix.ByteSliceToString(u.Release[:]))
}

func kernelRelease(release string) finding {
	const check = "kernel"
	var major int
	if _, err := fmt.Sscanf(release, "%d.", &major); err != nil || major < 5 {
		return warn(check, "Linux "+release+" is older than what is tested",
			"use Linux 5.x or later")
	}
	return well(check, "Linux "+release)
}

// files tries unnamed files in the directory of segments, and locks on one.
func (d *doctor) files() []finding {
	const tmp = "O_TMPFILE"
	fd, err := unix.Open(d.dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch {
	case errors.Is(err, unix.EROFS):
		return []finding{warn(tmp, d.dir+" is mounted read-only: one can look, and nothing else",
			"mount it read-write, or name another directory")}
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return []finding{warn(tmp, fmt.Sprintf("this user may not create files in %s: %v",
			d.dir, err), "run as the user who owns the channels, or give him the directory")}
	case err != nil:
		return []finding{fail(tmp, fmt.Sprintf("%s has no unnamed files: %v", d.dir, err),
			"use a directory on a tmpfs")}
	}
	defer unix.Close(fd) //nolint:errcheck // it has no name and no content
	return []finding{well(tmp, "works in "+d.dir), ofdLocks(fd)}
}

func ofdLocks(fd int) finding {
	const check = "OFD locks"
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: 1, Len: 1}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock); err != nil {
		return fail(check, fmt.Sprintf("refused: %v: nobody can know who lives", err),
			"use a kernel that has them, or a seccomp profile that allows fcntl F_OFD_SETLK")
	}
	return well(check, "work")
}

// futexWaitv asks for a wait on no words, which a kernel that has the call refuses.
func futexWaitv() finding {
	const check, sysFutexWaitv = "futex_waitv", 449
	_, _, errno := unix.Syscall6(sysFutexWaitv, 0, 0, 0, 0, 0, 0)
	if errno == unix.ENOSYS || errno == unix.EPERM {
		return warn(check, fmt.Sprintf("refused: %v: each waiting receiver has a thread", errno),
			"use Linux 5.16 or later, or a seccomp profile that allows it")
	}
	return well(check, "there")
}

func pidfd() finding {
	const check = "pidfd"
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return warn(check, fmt.Sprintf("refused: %v: recover --kill does not work", err),
			"use Linux 5.3 or later, or a seccomp profile that allows pidfd_open")
	}
	_ = unix.Close(fd) // nothing was written
	return well(check, "there")
}

func inotify() finding {
	const check = "inotify"
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return warn(check, fmt.Sprintf("refused: %v: deaths are noticed by looking each 100 ms",
			err), "sysctl fs.inotify.max_user_instances=1024: each process needs one")
	}
	_ = unix.Close(fd) // nothing was written
	return well(check, "there")
}

// procfs looks at what attaching needs of /proc.
func procfs() finding {
	const check = "/proc"
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return fail(check, fmt.Sprintf("it is not there: %v: nobody can attach", err),
			"mount it: mount -t proc proc /proc")
	}
	return well(check, "mounted")
}
