package channeltest

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"shmring/channel"
)

// leakPatience is how long what is left may take to go by itself: a goroutine whose
// call was just ended by a close.
const leakPatience = 2 * time.Second

// leaks says what is left of a test, in words.
func (f *fixture) leaks() []string {
	until := time.Now().Add(leakPatience)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		found := slices.Concat(f.segments(), f.descriptors(), f.mappings(), f.goroutines())
		if len(found) == 0 || time.Now().After(until) {
			return found
		}
		<-tick.C
	}
}

// segments finds files in the test's directory.
func (f *fixture) segments() []string {
	left, err := os.ReadDir(f.dir)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, e := range left {
		found = append(found, "a file is left: "+filepath.Join(f.dir, e.Name()))
	}
	return found
}

// descriptors finds open files of the test's directory, named or not.
func (f *fixture) descriptors() []string {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, fd := range fds {
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && strings.HasPrefix(target, f.dir+"/") {
			found = append(found, fmt.Sprintf("descriptor %s is open: %s", fd.Name(), target))
		}
	}
	return found
}

// mappings finds mapped files of the test's directory.
func (f *fixture) mappings() []string {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, " "+f.dir+"/") {
			found = append(found, "memory is mapped: "+strings.Join(strings.Fields(line), " "))
		}
	}
	return found
}

// inChannel begins the name of each function of package channel in a stack.
var inChannel = reflect.TypeFor[channel.Channel]().PkgPath() + "."

// goroutines finds goroutines that are inside a call of package channel and were started by
// the test's goroutine, or by one that was. Others belong to tests that run at the same time.
func (f *fixture) goroutines() []string {
	parents := make(map[string]string)
	stacks := make(map[string]string)
	for stack := range strings.SplitSeq(allStacks(), "\n\n") {
		id := number(stack, "goroutine ")
		parents[id] = number(stack, " in goroutine ")
		stacks[id] = stack
	}
	var found []string
	for id, stack := range stacks {
		calls, _, _ := strings.Cut(stack, "\ncreated by ")
		if !strings.Contains(calls, "\n"+inChannel) {
			continue
		}
		above := id
		for range len(stacks) { // no line of parents is longer
			if above = parents[above]; above == f.goroutine || above == "" {
				break
			}
		}
		if above == f.goroutine {
			found = append(found, "a goroutine is left in a call:\n"+stack)
		}
	}
	slices.Sort(found)
	return found
}

// number returns the digits behind the first mark in text, empty if there are none.
func number(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
}

// ownGoroutine returns the number of the calling goroutine.
func ownGoroutine() string {
	buf := make([]byte, 64)
	return number(string(buf[:runtime.Stack(buf, false)]), "goroutine ")
}

// allStacks returns the stacks of all goroutines.
func allStacks() string {
	for size := 1 << 16; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return string(buf[:n])
		}
	}
}
