package measure

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Fact is a configuration line of the benchmark format.
type Fact struct{ Key, Value string }

// Machine returns what a figure is worth nothing without. What this system does not tell
// is left out. It is the same for every run, so that tools which group by it see one group.
func Machine() []Fact {
	var u unix.Utsname
	_ = unix.Uname(&u) // empty, then
	facts := []Fact{
		{"cpu-model", field("/proc/cpuinfo", "model name")},
		{"cores", Layout()},
		{"machine-cpus", fmt.Sprint(runtime.NumCPU())},
		{"hypervisor", hypervisor()},
		{"cache-l1d", cache(0)},
		{"cache-l2", cache(2)},
		{"cache-l3", cache(3)},
		{"memory", field("/proc/meminfo", "MemTotal")},
		{"kernel", unix.ByteSliceToString(u.Release[:])},
		{"governor", line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")},
		{"smt", line("/sys/devices/system/cpu/smt/active")},
		{"shmem-huge-pages", line("/sys/kernel/mm/transparent_hugepage/shmem_enabled")},
		{"mitigations", mitigations()},
		{"clock", line("/sys/devices/system/clocksource/clocksource0/current_clocksource")},
		{"go", runtime.Version()},
	}
	return known(facts)
}

// Moment returns what differs from run to run.
func Moment() []Fact {
	return known([]Fact{
		{"date", time.Now().UTC().Format(time.RFC3339)},
		{"load", line("/proc/loadavg")},
	})
}

// known returns the facts that have a value.
func known(facts []Fact) []Fact {
	var known []Fact
	for _, f := range facts {
		if f.Value != "" {
			known = append(known, f)
		}
	}
	return known
}

// Layout says which cores the two sides of a benchmark have.
func Layout() string {
	cores := Cores()
	if len(cores) < 2 {
		return "1, both sides share it, not pinned"
	}
	return fmt.Sprintf("%d, pinned: one side to core %d, the other to %s", len(cores), cores[0],
		strings.Trim(fmt.Sprint(cores[1:]), "[]"))
}

// line returns the first line of a file, or nothing.
func line(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first)
}

// field returns the first value of a key in a file of lines "key: value".
func field(path, key string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for l := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// cache returns the size of a cache as the kernel numbers those of the first core.
func cache(index int) string {
	return line(fmt.Sprintf("/sys/devices/system/cpu/cpu0/cache/index%d/size", index))
}

// hypervisor reports whether the processor says that it is a virtual one.
func hypervisor() string {
	flags := " " + field("/proc/cpuinfo", "flags") + " "
	if strings.Contains(flags, " hypervisor ") {
		return "yes"
	}
	return ""
}

// mitigations returns those that the kernel says are on, by name.
func mitigations() string {
	const dir = "/sys/devices/system/cpu/vulnerabilities"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var on []string
	for _, e := range entries {
		if strings.HasPrefix(line(dir+"/"+e.Name()), "Mitigation") {
			on = append(on, e.Name())
		}
	}
	return strings.Join(on, " ")
}
