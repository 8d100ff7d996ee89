//go:build linux && amd64 && !fault && !race

package guard

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/ptrace"
	"shmring/internal/shmtest"
)

// A count is what one lap of a half took.
type count struct {
	instructions int
	locked       map[string]int // by function and line
	calls        []string       // functions that made a system call
}

// lockedAll is how many instructions with a lock there were.
func (c count) lockedAll() (sum int) {
	for _, n := range c.locked {
		sum += n
	}
	return sum
}

// lockedText says where they are, the most frequent first.
func (c count) lockedText() string {
	places := slices.SortedFunc(maps.Keys(c.locked), func(a, b string) int {
		return cmp.Or(c.locked[b]-c.locked[a], strings.Compare(a, b))
	})
	var b strings.Builder
	for _, place := range places {
		fmt.Fprintf(&b, "%8d  %s\n", c.locked[place], place)
	}
	return b.String()
}

// where names an instruction: what it does, and the function that this was inlined into.
func where(pc uint64) string {
	inner := runtime.FuncForPC(uintptr(pc))
	if inner == nil {
		return nameOf(pc)
	}
	return filepath.Base(inner.Name()) + " in " + runtime.FuncForPC(inner.Entry()).Name()
}

// A traced child is stepped through a lap. The thread that watches it in Go's runtime is
// stopped: it would have the lap give way to others.
type traced struct {
	child        *shmtest.Child
	lap, watcher *ptrace.Thread
	memory       *os.File
	sorts        map[uint64]sort // by address
}

// A sort of instruction.
type sort int

const (
	plain  sort = iota
	locked      // with a lock, by its prefix or, as XCHG with memory, without
	syscall
)

// trace starts a child and brings it to the beginning of its lap.
func trace(t *testing.T, kind channel.Kind, half string) *traced {
	t.Helper()
	x := &traced{sorts: map[uint64]sort{}}
	x.child = shmtest.Start(t, "stepped", strconv.Itoa(int(kind)), half)
	line, _ := x.child.Hear()
	var watcher, tid int
	if _, err := fmt.Sscan(line, &watcher, &tid); err != nil {
		t.Fatalf("child said %q: %v", line, x.child.Wait())
	}
	var err error
	x.watcher, err = ptrace.Seize(watcher)
	if errors.Is(err, ptrace.ErrForbidden) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { x.end(t) }) // a process with traced threads cannot be waited for
	x.lap, err = ptrace.Seize(tid)
	require.NoError(t, err)
	x.memory, err = os.Open(fmt.Sprintf("/proc/%d/mem", x.child.PID()))
	require.NoError(t, err)
	x.child.Say("go")
	require.NoError(t, x.lap.RunToBreakpoint())
	for {
		require.NoError(t, x.watcher.Interrupt())
		pc, err := x.watcher.PC()
		require.NoError(t, err)
		if name := nameOf(pc); name == "runtime.usleep" || name == "runtime.futex" {
			return x // it sleeps, so it has no lock
		}
		require.NoError(t, x.watcher.Resume())
	}
}

func (x *traced) end(t *testing.T) {
	t.Helper()
	x.child.Signal(unix.SIGKILL)
	for _, th := range []*ptrace.Thread{x.lap, x.watcher} {
		if th != nil {
			require.NoError(t, th.Reap())
		}
	}
	if x.memory != nil {
		require.NoError(t, x.memory.Close())
	}
	x.child.Kill() // collects it
}

// count steps to the end of the lap.
func (x *traced) count(t *testing.T) count {
	t.Helper()
	c := count{locked: map[string]int{}}
	for {
		pc, err := x.lap.PC()
		require.NoError(t, err)
		switch x.sort(t, pc) {
		case syscall:
			c.calls = append(c.calls, nameOf(pc))
		case locked:
			c.locked[where(pc)]++
		case plain:
		}
		_, over, err := x.lap.Step(1)
		require.NoError(t, err, "%v", x.child)
		if over {
			return c
		}
		c.instructions++
	}
}

// sort returns what the instruction at an address of the child is.
func (x *traced) sort(t *testing.T, pc uint64) sort {
	t.Helper()
	k, known := x.sorts[pc]
	if !known {
		text := make([]byte, 3)
		_, err := x.memory.ReadAt(text, int64(pc))
		require.NoError(t, err)
		k = sortOf(text)
		x.sorts[pc] = k
	}
	return k
}

// sortOf looks at the first bytes of an instruction.
func sortOf(text []byte) sort {
	const (
		lockPrefix = 0xf0
		rex        = 0x40 // and the fifteen after it
		xchgByte   = 0x86
		xchg       = 0x87
		registers  = 0xc0 // of a ModRM byte: no memory
	)
	switch {
	case text[0] == 0x0f && text[1] == 0x05:
		return syscall
	case text[0] == lockPrefix:
		return locked
	}
	if text[0]&0xf0 == rex {
		text = text[1:]
	}
	if (text[0] == xchg || text[0] == xchgByte) && text[1]&registers != registers {
		return locked
	}
	return plain
}

func TestSortsOfInstructionsAreTold(t *testing.T) {
	for text, want := range map[string]sort{
		"\x0f\x05\x90": syscall, // SYSCALL
		"\xf0\x0f\xb1": locked,  // LOCK CMPXCHG
		"\xf0\x48\x0f": locked,  // LOCK, with a 64-bit operand
		"\x48\x87\x08": locked,  // XCHGQ CX, (AX)
		"\x87\x08\x90": locked,  // XCHGL CX, (AX)
		"\x48\x87\xc8": plain,   // XCHGQ CX, AX
		"\x48\x89\x08": plain,   // MOVQ CX, (AX)
		"\x0f\x1f\x00": plain,   // NOP
		"\xc3\x87\x08": plain,   // RET
	} {
		assert.Equal(t, want, sortOf([]byte(text)), "%x", text)
	}
}

// nameOf names the function of an address.
func nameOf(pc uint64) string {
	if f := runtime.FuncForPC(uintptr(pc)); f != nil {
		return f.Name()
	}
	return "the kernel's page with the clock"
}
