package main

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func TestDoctorKnowsWhatEachProcessorMayBeUsedFor(t *testing.T) {
	const group = "/proc/self/cgroup"
	for _, c := range []struct {
		name  string
		n     int
		files map[string]string
		want  string
	}{
		{"alone", 1, nil, findingWarn},
		{"two", 2, nil, findingOK},
		{"a container's quota", 4, map[string]string{
			group: "0::/", "/sys/fs/cgroup/cpu.max": "150000 100000",
		}, findingWarn},
		{"none", 4, map[string]string{
			group: "0::/", "/sys/fs/cgroup/cpu.max": "max 100000",
		}, findingOK},
		{"that of a group above a unit", 4, map[string]string{
			group: "0::/a/b", "/sys/fs/cgroup/a/b/cpu.max": "400000 100000",
			"/sys/fs/cgroup/a/cpu.max": "100000 100000",
		}, findingWarn},
		{"the first version", 4, map[string]string{
			group:                                    "4:cpu,cpuacct:/x\n0::/",
			"/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us":  "50000",
			"/sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
		}, findingWarn},
		{"the first version without", 4, map[string]string{
			group:                                  "4:cpu,cpuacct:/",
			"/sys/fs/cgroup/cpu/cpu.cfs_quota_us":  "-1",
			"/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
		}, findingOK},
	} {
		got := fakeRoot(t, c.files).spinning(c.n)
		assert.Equal(t, c.want, got.Status, "%s: %+v", c.name, got)
		assert.Equal(t, c.want != findingOK, got.Remedy != "", c.name)
	}
}

func TestDoctorWeighsNumbers(t *testing.T) {
	for _, c := range []struct {
		got  finding
		want string
	}{
		{kernelRelease("4.19.0-amd64"), findingWarn},
		{kernelRelease("6.1"), findingOK},
		{kernelRelease("unknown"), findingWarn},
		{memoryFinding(0, "", false), findingOK},
		{memoryFinding(1<<62, "memory cgroup /", true), findingOK},
		{memoryFinding(1<<30, "memory cgroup /a", true), findingOK},
		{memoryFinding(64<<20, "memory cgroup /a", true), findingWarn},
		{memoryFinding(1<<20, "memory cgroup /a", true), findingFail},
		{spaceFinding(1<<30, 2<<30, "/dev/shm", "/dev/shm"), findingOK},
		{spaceFinding(1<<20, 2<<30, "/dev/shm", "/dev/shm"), findingFail},
		{spaceFinding(60<<20, 64<<20, "/dev/shm", "/dev/shm"), findingWarn},
		{spaceFinding(100<<20, 2<<30, "/dev/shm", "/dev/shm"), findingWarn},
		{ofdLocks(-1), findingFail},
	} {
		assert.Equal(t, c.want, c.got.Status, "%+v", c.got)
		assert.Equal(t, c.want != findingOK, c.got.Remedy != "", "%+v", c.got)
	}
	assert.Equal(t, "/", mountPoint("/"))
	assert.Equal(t, "/proc", mountPoint("/proc/sys/kernel"))
	assert.True(t, within("/dev/shm/a", "/dev/shm"))
	assert.True(t, within("/dev/shm", "/dev/shm"))
	assert.False(t, within("/mnt/shm", "/dev/shm"))
}

// TestDoctorTellsWhatTheKernelRefuses has strace refuse calls in the place of a kernel that
// is too old and of a seccomp profile.
func TestDoctorTellsWhatTheKernelRefuses(t *testing.T) {
	shmtest.Dir(t)
	ctx := t.Context()
	if out, err := exec.CommandContext(ctx, "strace", "-o", "/dev/null", "true").
		CombinedOutput(); err != nil {
		t.Skipf("needs a strace that may trace: %v: %s", err, out)
	}
	for refused, want := range map[string]string{
		"futex_waitv:error=ENOSYS": `futex_waitv +warn +refused: function not implemented: each ` +
			`waiting receiver has a thread: use Linux 5.16 or later, or a seccomp profile`,
		"pidfd_open:error=EPERM": `pidfd +warn +refused: operation not permitted: recover --kill ` +
			`does not work: use Linux 5.3 or later, or a seccomp profile`,
		"inotify_init1:error=EMFILE": `inotify +warn +refused: too many open files: .*: sysctl `,
	} {
		out, err := exec.CommandContext(ctx, "strace", "-f", "-qq", "-o", "/dev/null", "-e",
			"inject="+refused, "shmctl", "doctor").Output()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%s", out)
		assert.Equal(t, exitWarned, exit.ExitCode())
		assert.Regexp(t, want, string(out))
	}
}
