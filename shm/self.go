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
	s.Start, s.Comm = procStat("self")
	return s
})

// procStat returns start time and command name of a process, or zero values.
func procStat(pid string) (uint64, string) {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, ""
	}
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')') // comm may hold either
	if open < 0 || end < open {
		return 0, ""
	}
	const startField = 22 - 3 // the field after comm is number 3
	comm, fields := string(data[open+1:end]), strings.Fields(string(data[end+1:]))
	if len(fields) <= startField {
		return 0, comm
	}
	start, err := strconv.ParseUint(fields[startField], 10, 64)
	if err != nil {
		return 0, comm
	}
	return start, comm
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
	if now, _ := procStat(strconv.FormatUint(uint64(pid), 10)); now != start {
		return who + ", which has ended"
	}
	return who
}

// describeIdentity is Describe of what a segment says.
func describeIdentity(id *layout.Identity) string {
	return Describe(id.PID.Load(), id.PIDNS.Load(), id.Start.Load(), layout.LoadText(id.Comm[:]))
}
