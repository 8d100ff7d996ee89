package main

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processors says who may spin.
func (d *doctor) processors(context.Context) []finding {
	n := runtime.GOMAXPROCS(0)
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err == nil {
		n = min(n, set.Count())
	}
	return []finding{d.spinning(n)}
}

// spinning says whether n processors are enough for two sides that wait awake.
func (d *doctor) spinning(n int) finding {
	const check = "processors"
	text := fmt.Sprintf("%d may be used", n)
	if n < 2 {
		return warn(check, text+": nobody spins, each message to a sleeper costs a wake-up",
			"allow two processors or more (taskset, --cpus, GOMAXPROCS)")
	}
	if share, ok := d.quota(); ok && share < 2 {
		return warn(check, fmt.Sprintf("%s, for %.1f of the time: spinning uses up what the peer "+
			"needs", text, share), "raise the quota (--cpus, CPUQuota=), or set Options.Spin to -1")
	}
	return well(check, text+": waiting sides spin before they sleep")
}

// quota returns the smallest share of processor time among the cgroups around this process,
// in processors; false: none has a limit.
func (d *doctor) quota() (least float64, ok bool) {
	for line := range strings.Lines(d.read("/proc/self/cgroup")) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		at := "/sys/fs/cgroup"
		switch {
		case fields[0] == "0" && fields[1] == "":
		case slices.Contains(strings.Split(fields[1], ","), "cpu"):
			at += "/cpu"
		default:
			continue
		}
		// In a container the path may be that of the host: then the root is ours.
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			if share, found := d.groupQuota(path.Join(at, dir)); found && (!ok || share < least) {
				least, ok = share, true
			}
			if dir == "/" {
				break
			}
		}
	}
	return least, ok
}

// groupQuota reads one group, of either version of cgroups.
func (d *doctor) groupQuota(dir string) (share float64, ok bool) {
	text := d.read(dir + "/cpu.max")
	if text == "" {
		text = d.read(dir+"/cpu.cfs_quota_us") + " " + d.read(dir+"/cpu.cfs_period_us")
	}
	quota, period, _ := strings.Cut(text, " ")
	q, err := strconv.ParseUint(quota, 10, 64) // max, -1: no limit
	p, perr := strconv.ParseUint(period, 10, 64)
	if err != nil || perr != nil || p == 0 {
		return 0, false
	}
	return float64(q) / float64(p), true
}
