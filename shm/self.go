package shm

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"shmring/internal/layout"
)

// Self identifies a process to people: pids are reused and differ between
// namespaces, so nothing is decided by them.
type Self struct {
	PID   uint32 // in its own namespace
	PIDNS uint64 // inode of the pid namespace, 0 unknown
	Start uint64 // clock ticks since boot, 0 unknown
	Comm  string // command name
}

// Myself returns the identity of this process.
func Myself() Self { return myself() }

var myself = sync.OnceValue(func() Self {
	s := Self{PID: uint32(os.Getpid()), PIDNS: pidNamespace()}
	p := procStat("self")
	s.Start, s.Comm = p.start, p.comm
	return s
})

// A procInfo is what /proc/PID/stat tells of a process; zero if nothing.
type procInfo struct {
	comm  string
	state byte   // as in ps: R, S, T, …
	start uint64 // clock ticks since boot
}

func procStat(pid string) (p procInfo) {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return p
	}
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')') // comm may hold either
	if open < 0 || end < open {
		return p
	}
	const first, start = 3, 22 // the field after comm is number 3
	p.comm = string(data[open+1 : end])
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) <= start-first {
		return p
	}
	p.state = fields[0][0]
	p.start, _ = strconv.ParseUint(fields[start-first], 10, 64) // 0: unknown
	return p
}

// Store writes the identity with its role and the time into shared memory.
func (s Self) Store(id *layout.Identity, role layout.Role) {
	id.PID.Store(s.PID)
	id.Role.Store(uint32(role))
	id.PIDNS.Store(s.PIDNS)
	id.Start.Store(s.Start)
	id.WhenNs.Store(time.Now().UnixNano())
	layout.StoreText(id.Comm[:], s.Comm)
}

// Describe says in words who that is, and whether the pid can still be believed.
func Describe(pid uint32, pidns, start uint64, comm string) string {
	if pid == 0 {
		return "somebody unknown"
	}
	who := fmt.Sprintf("pid %d", pid)
	if comm != "" {
		who = fmt.Sprintf("pid %d (%s)", pid, comm)
	}
	me := Myself()
	switch {
	case pidns != me.PIDNS:
		return who + " in another pid namespace"
	case start == 0:
		return who
	}
	if now := procStat(strconv.FormatUint(uint64(pid), 10)); now.start != start {
		return who + ", which has ended"
	}
	return who
}

// Stopped reports whether that process is stopped, by a signal or a debugger. Of a process
// that cannot be told from here, as one of another pid namespace, it is false. It is for
// people, like Describe.
func Stopped(pid uint32, pidns, start uint64) bool {
	if pid == 0 || start == 0 || pidns != Myself().PIDNS {
		return false
	}
	now := procStat(strconv.FormatUint(uint64(pid), 10))
	return now.start == start && (now.state == 'T' || now.state == 't')
}

// same reports whether the process that a segment names, of this pid namespace, is still
// the one with that pid.
func same(id *layout.Identity) bool {
	return procStat(strconv.FormatUint(uint64(id.PID.Load()), 10)).start == id.Start.Load()
}

// describeIdentity is Describe of what a segment says.
func describeIdentity(id *layout.Identity) string {
	return Describe(id.PID.Load(), id.PIDNS.Load(), id.Start.Load(), layout.LoadText(id.Comm[:]))
}
