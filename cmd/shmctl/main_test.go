package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"shmring/internal/shmtest"
	"shmring/shm"
)

// leakChecked is the tests, and after them the look for goroutines they left.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestMain is shmctl itself as the other process of a verb that a test runs in its own process:
// it must not run the tests, which would start it again, without an end.
func TestMain(m *testing.M) {
	others := []string{echoVerb, benchPeerName, demoSenderName}
	if len(os.Args) > 1 && slices.Contains(others, os.Args[1]) {
		main()
	}
	testscript.Main(leakChecked{m}, map[string]func(){
		"shmctl": main, "forward": forward, "squat": squat, "lend": lend,
		"hold": hold,
	})
}

var update = flag.Bool("update", false, "write the golden texts of scripts and documents anew")

// TestScripts runs testdata/script, each with a directory of segments of its own, which
// it must leave empty. Besides the commands of testscript there are
//
//	exits CODE command...     run it and compare its exit code
//	await PATTERN command...  run it until its output matches
//	mask [figures] [FILE]     print the last output with names for pids, times and paths,
//	                          and for all that was measured
//
// and the programs forward FROM TO, squat FILE (takes a process lock), lend NAME (a sender
// whose lock a child has, too) and hold NAME KIND (holds the channel up).
func TestScripts(t *testing.T) {
	shmtest.Watchdog(t, 3*time.Minute)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup:               ownSegments,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "mask": mask,
		},
		UpdateScripts: *update,
	})
}

func ownSegments(env *testscript.Env) error {
	dir, err := os.MkdirTemp(shm.DefaultDir, "shmctl-test-*")
	if err != nil {
		return err
	}
	env.Setenv(shm.EnvDir, dir)
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process sleeps a second at its end
	env.Defer(func() {
		left, err := os.ReadDir(dir)
		if err != nil {
			env.T().Log(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			env.T().Log(err)
		}
		for _, e := range left {
			env.T().Fatal("left behind in the directory of segments: " + e.Name())
		}
	})
	return nil
}

// condition: root: the tests run as root; mounts: a private mount can be made.
func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Geteuid() == 0, nil
	case "mounts":
		mount := exec.Command("unshare", "--map-root-user", "--mount",
			"mount", "-t", "tmpfs", "none", "/mnt")
		return mount.Run() == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("%s exited with %d, want %d", strings.Join(args[1:], " "), code, want)
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await PATTERN command [args...]")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for range 1000 { // the watchdog ends what is slower
		_ = ts.Exec(args[1], args[2:]...) // may fail until it is there
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s never printed %q", strings.Join(args[1:], " "), args[0])
}
