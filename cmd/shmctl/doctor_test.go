package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

// squat takes a process lock on the whole of a file until its input ends.
func squat() {
	f, err := os.OpenFile(os.Args[1], os.O_RDWR, 0)
	if err == nil {
		lock := unix.Flock_t{Type: unix.F_WRLCK}
		err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock)
	}
	waitForInput(err, f)
}

// lend takes the role of a sender and starts a child that has the same open files, as a
// child forked without exec would.
func lend() {
	ctx := context.Background()
	ch, err := channel.Open(ctx, os.Args[1], channel.OpenOptions{})
	exitOn(err)
	_, err = ch.Sender(ctx)
	exitOn(err)
	files, err := os.ReadDir("/proc/self/fd")
	exitOn(err)
	child := exec.Command("sleep", "600") // the script ends it
	for _, f := range files {
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && to == ch.Path() {
			var fd int
			_, err := fmt.Sscan(f.Name(), &fd)
			exitOn(err)
			again, err := unix.Dup(fd)
			exitOn(err)
			child.ExtraFiles = append(child.ExtraFiles, os.NewFile(uintptr(again), to))
		}
	}
	exitOn(child.Start())
	fmt.Println(child.Process.Pid)
	waitForInput(nil, ch)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// waitForInput ends with the standard input; what is named stays open until then.
func waitForInput(err error, keep ...any) {
	exitOn(err)
	_, err = io.Copy(io.Discard, os.Stdin)
	exitOn(err)
	_ = fmt.Sprint(len(keep))
	os.Exit(0)
}

// fakeRoot is a machine with these files.
func fakeRoot(t *testing.T, files map[string]string) *doctor {
	t.Helper()
	d := &doctor{a: newApp(), root: t.TempDir(), dir: t.TempDir()}
	for path, text := range files {
		path = filepath.Join(d.root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return d
}

func TestDoctorKnowsWhetherLogindRemovesSegments(t *testing.T) {
	const run, etc = "/run/systemd/system/x", "/etc/systemd/logind.conf"
	for _, c := range []struct {
		name  string
		files map[string]string
		uid   int
		want  string
	}{
		{"no systemd", nil, 1000, findingOK},
		{"the default", map[string]string{run: ""}, 1000, findingWarn},
		{"a system user", map[string]string{run: ""}, 33, findingOK},
		{
			"no",
			map[string]string{run: "", etc: "[Login]\n#RemoveIPC=yes\nRemoveIPC=no\n"},
			1000,
			findingOK,
		},
		{"a drop-in counts more", map[string]string{
			run: "", etc: "RemoveIPC=no", etc + ".d/50-x.conf": "RemoveIPC = yes",
		}, 1000, findingWarn},
		{"the last drop-in counts", map[string]string{
			run: "", etc + ".d/50-x.conf": "RemoveIPC=yes",
			"/usr/lib/systemd/logind.conf.d/60-y.conf": "RemoveIPC=no",
		}, 1000, findingOK},
	} {
		d := fakeRoot(t, c.files)
		d.dir = "/dev/shm"
		got := d.removeIPC(c.uid)
		assert.Equal(t, c.want, got.Status, "%s: %+v", c.name, got)
		assert.Equal(t, c.want != findingOK, got.Remedy != "", c.name)
	}
}

func TestDoctorKnowsThatLogindCleansOnlyItsDirectory(t *testing.T) {
	d := fakeRoot(t, map[string]string{"/run/systemd/system/x": ""})
	d.dir = "/proc"
	assert.Equal(t, findingOK, d.removeIPC(1000).Status)
	d.dir = "/dev/shm/team"
	assert.Equal(t, findingWarn, d.removeIPC(1000).Status)
}

func TestDoctorReadsSettings(t *testing.T) {
	d := fakeRoot(t, map[string]string{
		"/proc/sys/fs/protected_regular":                    "2\n",
		"/sys/kernel/mm/transparent_hugepage/shmem_enabled": "always [advise] never\n",
	})
	assert.Contains(t, d.protectedRegular().Detail, "2: ")
	assert.Equal(t, "shmem_enabled is advise", d.hugePages().Detail)
	assert.Contains(t, fakeRoot(t, nil).hugePages().Detail, "none")
}

func TestDoctorReadsLocksOfTheKernel(t *testing.T) {
	l, file, ok := parseLock("1: POSIX  ADVISORY  WRITE 4711 00:1b:2578 0 EOF")
	require.True(t, ok)
	assert.Equal(t, "00:1b:2578", file)
	assert.Equal(t, heldLock{"POSIX", "WRITE", 4711, 0, math.MaxInt64}, l)
	at := int64(layout.LockBase + layout.LockParticipant)
	l, _, ok = parseLock(fmt.Sprintf("1: OFDLCK ADVISORY  WRITE -1 00:1b:2578 %d %d", at, at+2))
	require.True(t, ok)
	assert.True(t, l.place(0))
	assert.True(t, l.place(2))
	assert.False(t, l.place(3))
	for _, line := range []string{
		"", "1: -> POSIX  ADVISORY  WRITE 4711 00:1b:2578 0 EOF",
		"1: POSIX ADVISORY WRITE x 00:1b:2578 0 EOF", "1: POSIX ADVISORY WRITE 1 00:1b:2578 x EOF",
		"1: POSIX ADVISORY WRITE 1 00:1b:2578 0 x",
	} {
		_, _, ok := parseLock(line)
		assert.False(t, ok, line)
	}
}

func TestEveryFindingOfTheDoctorHasItsRemedy(t *testing.T) {
	dir := shmtest.Dir(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shmring.bad"), []byte("x"), 0o600))
	d := doctor{a: newApp(), dir: dir}
	seen := make(map[string]string)
	for _, f := range d.examine(t.Context()) {
		seen[f.Check] = f.Status
		assert.Equal(t, f.Status == findingOK, f.Remedy == "", "%+v", f)
		assert.NotContains(t, strings.TrimSpace(f.Detail), "\n")
	}
	assert.Equal(t, findingFail, seen["segment bad"])
	run1(t, "rm", "-f", "bad")
}

func TestDoctorsVerdictIsTheWorstFinding(t *testing.T) {
	good, bad, worse := well("a", "b"), warn("a", "b", "c"), fail("a", "b", "c")
	require.NoError(t, doctorVerdict([]finding{good}))
	assert.Equal(t, verdictError(exitWarned), doctorVerdict([]finding{good, bad, good}))
	assert.Equal(t, verdictError(exitUnfit), doctorVerdict([]finding{worse, bad, good}))
}
