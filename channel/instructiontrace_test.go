//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

// A trace is a call, as the addresses of the instructions that it executed.
type trace []uint64

// A spot is one moment of a call: before an instruction is executed for the n-th time.
type spot struct {
	index   int // in the trace
	address uint64
	visit   int
	more    int // so many times more, if an instruction repeats itself
}

// String names the instruction of a spot.
func (s spot) String() string { return fmt.Sprintf("%d, before %s", s.index, where(s.address)) }

// survey makes the call once, one instruction after the other. A quick one does not go into
// functions of others that are long.
func survey(t *testing.T, c *steppedCall, quick bool) trace {
	t.Helper()
	s := newScene(c, "survey")
	s.t = t
	c.prepare(t, s)
	x := &chunk{scenes: []*scene{s}, child: shmtest.Start(t, "stepped", c.name, s.name)}
	x.seize(t)
	x.begin(t, 0)
	th := x.threads[0]
	var list trace
	for {
		_, end, err := th.Step(1)
		require.NoError(t, err, "%v", x.child)
		pc, err := th.PC()
		require.NoError(t, err)
		if !end && quick && isLong(pc) {
			end, err = th.Leave()
			require.NoError(t, err, "%v", x.child)
			pc, err = th.PC()
			require.NoError(t, err)
		}
		if end {
			break
		}
		list = append(list, pc)
	}
	s.ended = true
	x.kill(t)
	c.check(s)
	return list
}

// isLong reports whether an instruction is the first of a function that takes long and
// neither touches the segment nor calls anything of ours.
func isLong(pc uint64) bool {
	f := runtime.FuncForPC(uintptr(pc))
	if f == nil || uint64(f.Entry()) != pc {
		return false
	}
	for _, prefix := range []string{
		"encoding/", "fmt.", "path/", "reflect.", "strconv.", "strings.", "time.",
		"runtime.concat", "runtime.conv", "runtime.entersyscall", "runtime.exitsyscall",
		"runtime.getitab", "runtime.growslice", "runtime.makeslice", "runtime.mallocgc",
		"runtime.newobject", "runtime.typeAssert",
	} {
		if strings.HasPrefix(f.Name(), prefix) {
			return true
		}
	}
	return false
}

// spots returns the moments of a call: all, or those in code that may touch the segment.
func (list trace) spots(ours bool) []spot {
	visits := make(map[uint64]int)
	judged := make(map[uint64]bool)
	spots := make([]spot, 0, len(list))
	more := 0
	for i, pc := range list {
		if i > 0 && list[i-1] == pc {
			more++ // a breakpoint sees it once only
		} else {
			more = 0
			visits[pc]++
		}
		keep, known := judged[pc]
		if !known {
			keep = !ours || touches(pc)
			judged[pc] = keep
		}
		if keep {
			spots = append(spots, spot{index: i, address: pc, visit: visits[pc], more: more})
		}
	}
	return spots
}

// touches reports whether an instruction may change the segment or ask the kernel for
// something: it is one of this module, or of a function that it uses for that.
func touches(pc uint64) bool {
	name := function(pc)
	for _, prefix := range []string{
		"shmring/", "runtime.mem", "sync/atomic.", "internal/runtime/atomic.",
		"internal/runtime/syscall.",
	} {
		if strings.HasPrefix(name, prefix) {
			return !strings.HasPrefix(name, "shmring/channel_test.")
		}
	}
	return false
}

// function names the function of an instruction.
func function(pc uint64) string { return runtime.FuncForPC(uintptr(pc)).Name() }

// where names an instruction by its source.
func where(pc uint64) string {
	frames := runtime.CallersFrames([]uintptr{uintptr(pc) + 1})
	f, _ := frames.Next()
	if f.Function == "" {
		return fmt.Sprintf("%#x", pc) // a binary that is loaded somewhere else
	}
	file := f.File[strings.LastIndexByte(f.File, '/')+1:]
	return fmt.Sprintf("%s, %s:%d", f.Function, file, f.Line)
}
