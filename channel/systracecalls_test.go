//go:build linux && amd64

package channel_test

import "golang.org/x/sys/unix"

// sysFutexWaitv is futex_waitv(2), for which package unix has no number.
const sysFutexWaitv = 449

// byPath are calls that say by a path what they are about: which argument that is.
var byPath = map[uint64]struct {
	name string
	arg  int
}{
	unix.SYS_OPENAT: {"openat", 1}, unix.SYS_NEWFSTATAT: {"fstatat", 1},
	unix.SYS_UNLINKAT: {"unlinkat", 1}, unix.SYS_LINKAT: {"linkat", 3},
	unix.SYS_READLINKAT: {"readlinkat", 1}, unix.SYS_FACCESSAT: {"faccessat", 1},
	unix.SYS_FACCESSAT2: {"faccessat2", 1}, unix.SYS_STATFS: {"statfs", 0},
	unix.SYS_OPEN: {"open", 0}, unix.SYS_STAT: {"stat", 0}, unix.SYS_LSTAT: {"lstat", 0},
	unix.SYS_UNLINK: {"unlink", 0}, unix.SYS_LINK: {"link", 1}, unix.SYS_ACCESS: {"access", 0},
	unix.SYS_READLINK: {"readlink", 0}, unix.SYS_RENAME: {"rename", 1},
	unix.SYS_RENAMEAT2: {"renameat2", 3}, unix.SYS_OPENAT2: {"openat2", 1},
	unix.SYS_TRUNCATE: {"truncate", 0}, unix.SYS_CHMOD: {"chmod", 0},
}

// byFile are calls that say by a descriptor what they are about.
var byFile = map[uint64]struct {
	name string
	arg  int
}{
	unix.SYS_CLOSE: {"close", 0}, unix.SYS_FSTAT: {"fstat", 0}, unix.SYS_FCNTL: {"fcntl", 0},
	unix.SYS_FTRUNCATE: {"ftruncate", 0}, unix.SYS_FALLOCATE: {"fallocate", 0},
	unix.SYS_FCHMOD: {"fchmod", 0}, unix.SYS_FSTATFS: {"fstatfs", 0},
	unix.SYS_PREAD64: {"pread64", 0}, unix.SYS_READ: {"read", 0}, unix.SYS_WRITE: {"write", 0},
	unix.SYS_PWRITE64: {"pwrite64", 0}, unix.SYS_GETDENTS64: {"getdents64", 0},
	unix.SYS_MMAP: {"mmap", 4}, unix.SYS_EPOLL_CTL: {"epoll_ctl", 2}, unix.SYS_DUP3: {"dup3", 0},
	unix.SYS_INOTIFY_ADD_WATCH: {"inotify_add_watch", 0},
	unix.SYS_INOTIFY_RM_WATCH:  {"inotify_rm_watch", 0}, unix.SYS_FCHOWN: {"fchown", 0},
	unix.SYS_FSYNC: {"fsync", 0}, unix.SYS_LSEEK: {"lseek", 0}, unix.SYS_FLOCK: {"flock", 0},
}

// byMemory are calls about a piece of memory.
var byMemory = map[uint64]string{
	unix.SYS_MUNMAP: "munmap", unix.SYS_MADVISE: "madvise", unix.SYS_MPROTECT: "mprotect",
	unix.SYS_MREMAP: "mremap", unix.SYS_MSYNC: "msync",
}

// always are calls that nobody but us makes.
var always = map[uint64]string{
	unix.SYS_INOTIFY_INIT1: "inotify_init1", sysFutexWaitv: "futex_waitv",
	unix.SYS_MEMFD_CREATE: "memfd_create", unix.SYS_PIDFD_OPEN: "pidfd_open",
	unix.SYS_PPOLL: "ppoll", unix.SYS_EVENTFD2: "eventfd2", // the runtime's is older
}

// theRuntimes are calls that the Go runtime makes for itself.
var theRuntimes = map[uint64]bool{
	unix.SYS_RT_SIGACTION: true, unix.SYS_RT_SIGPROCMASK: true, unix.SYS_RT_SIGRETURN: true,
	unix.SYS_SIGALTSTACK: true, unix.SYS_NANOSLEEP: true, unix.SYS_SCHED_YIELD: true,
	unix.SYS_GETTID: true, unix.SYS_GETPID: true, unix.SYS_TGKILL: true, unix.SYS_CLONE: true,
	unix.SYS_CLONE3: true, unix.SYS_EXIT: true, unix.SYS_EXIT_GROUP: true,
	unix.SYS_EPOLL_PWAIT: true, unix.SYS_EPOLL_CREATE1: true,
	unix.SYS_SET_ROBUST_LIST: true, unix.SYS_RSEQ: true, unix.SYS_GETRANDOM: true,
	unix.SYS_TIMER_CREATE: true, unix.SYS_TIMER_SETTIME: true, unix.SYS_TIMER_DELETE: true,
	unix.SYS_PRCTL: true, unix.SYS_RESTART_SYSCALL: true, unix.SYS_CLOCK_GETTIME: true,
	unix.SYS_SCHED_GETAFFINITY: true, unix.SYS_GETPPID: true, unix.SYS_GETEUID: true,
	unix.SYS_GETEGID: true, unix.SYS_GETGROUPS: true, unix.SYS_PIPE2: true,
	unix.SYS_PRLIMIT64: true, unix.SYS_GETUID: true, unix.SYS_GETCWD: true,
}

// ours names a call that is about our files, mappings or words; others have no name.
func (tr *tracer) ours(tid int, th *thread) string {
	if call, ok := byPath[th.number]; ok {
		path := tr.path(tid, th.args[call.arg])
		switch {
		case path == markBegin:
			tr.inside = true
		case path == markEnd:
			tr.inside = false
		case !tr.inside || !tr.ourPath(path):
		case th.number == unix.SYS_OPENAT && th.args[2]&unix.O_TMPFILE == unix.O_TMPFILE:
			return "openat_tmpfile"
		default:
			return call.name
		}
		return ""
	}
	if !tr.inside {
		return ""
	}
	if call, ok := byFile[th.number]; ok {
		switch {
		case !tr.fds[int(int32(th.args[call.arg]))]:
			if th.onlyOurs() { // a descriptor that the tracer does not know
				tr.unknown[th.number] = true
			}
			return ""
		case th.number == unix.SYS_FCNTL && th.args[1] == unix.F_OFD_SETLK:
			return "fcntl_lock"
		case th.number == unix.SYS_FCNTL && th.args[1] == unix.F_OFD_GETLK:
			return "fcntl_asklock"
		}
		return call.name
	}
	if name, ok := byMemory[th.number]; ok {
		if tr.mapped(th.args[0]) {
			return name
		}
		return ""
	}
	if th.number == unix.SYS_FUTEX {
		const private, wake = 128, 1
		switch op := th.args[1]; {
		case op&private != 0:
			return ""
		case op == wake:
			return "futex_wake"
		}
		return "futex_wait"
	}
	if !theRuntimes[th.number] && always[th.number] == "" {
		tr.unknown[th.number] = true
	}
	return always[th.number]
}

// onlyOurs reports whether nobody but us makes such a call about a file.
func (th *thread) onlyOurs() bool {
	return th.number == unix.SYS_FALLOCATE || th.number == unix.SYS_FCNTL &&
		(th.args[1] == unix.F_OFD_SETLK || th.args[1] == unix.F_OFD_GETLK)
}
