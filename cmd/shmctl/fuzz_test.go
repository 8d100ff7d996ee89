package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/shm"
)

// documentedCodes are the exit codes of a command line that no signal ended.
var documentedCodes = []int{
	exitOK, exitFailure, exitUsage, exitNotExist, exitPermission, exitTimeout, exitState,
	exitCorrupt, exitNoSpace, exitPeerDead,
}

// FuzzCommandLine runs any command lines, a line each, on a directory with some channels:
// none panics, each ends with a documented code, a failure is said on the standard error,
// and what --json prints is JSON.
func FuzzCommandLine(f *testing.F) {
	dir, err := os.MkdirTemp(shm.DefaultDir, "shmring-test-fuzz-*")
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, os.RemoveAll(dir)) })
	f.Setenv(shm.EnvDir, dir)
	for _, lines := range []string{
		"create q --json\nsend q a b c\nrecv q --json --count 3\nstat q --json\nclose q --json",
		"create q --slots 4 --arena 4k --kind spsc --checksums --timestamps\nls --json\nrm q",
		"send q --lines\nrecv q --raw\nrecover q --json",
		"event signal e text --json\nevent wait e --since 0 --json\nevent show e --json\ngc --json",
		"create q --slots 3\ncreate ../q\ncreate q --mode 0777\nsend q --chunk 1M --file -",
		"watch q --json\nrecv q --follow --timeout 1ms\ngc --foreign --persistent --unread -n",
		"help exit-codes\nversion --json\n--nothing\nls -x\nstat\nrm",
		"recover bad --json\nstat bad --json\nls\nrm bad\nrm -f bad other\nclose bad --force",
		"send q a\nhealth --interval 1ms --json\ncheck q bad --samples 1\nhealth --samples x",
		"create q\ndeps add q bad\ndeps add bad q\ndeps --json\ndeps --dot q\ndeps q\ndeps rm q x",
		"create q\ndeps add bad q\nsend q a\nshutdown q --json\nshutdown --all\nshutdown nope",
		"__complete send q\n__complete recv --t\nevent\nevent wait e --timeout 1ms",
	} {
		f.Add(lines, []byte("one\ntwo\n\xff\n"), uint16(0))
		f.Add(lines, []byte{}, uint16(8+4096))
	}
	f.Fuzz(func(t *testing.T, lines string, stdin []byte, flip uint16) {
		if len(lines) > 1000 || len(stdin) > 1<<14 {
			return
		}
		clearDir(t, dir)
		damaged(t, dir, flip)
		shmtest.Bounded(t, time.Minute, 512<<20, func() {
			for i, line := range strings.Split(lines, "\n") {
				if args := harmless(line); i < 8 && len(args) > 0 {
					runAny(t, args, stdin)
				}
			}
		})
	})
}

// harmless splits a command line and leaves out what would lead it out of the directory,
// start a process or kill one, and what leaves the end of a channel attached until the
// process ends: see leave.
func harmless(line string) []string {
	var args []string
	for _, arg := range strings.Fields(line) {
		switch {
		case strings.Contains(arg, "dir"), strings.Contains(arg, "kill"),
			strings.Contains(arg, "seal"):
		case strings.Contains(arg, "/") && !strings.HasPrefix(arg, ".."):
		case strings.Contains(arg, "demo"), strings.Contains(arg, "completion"),
			arg == "drain", strings.Contains(arg, "bench"),
			strings.Contains(arg, "\x00"):
			return nil
		case strings.HasPrefix(arg, "--participants"), strings.HasPrefix(arg, "--slot"),
			strings.HasPrefix(arg, "--arena"), strings.HasPrefix(arg, "--chunk"):
			if len(arg) < 20 { // what is larger than memory has its own tests
				args = append(args, arg)
			}
		default:
			args = append(args, arg)
		}
	}
	if slices.Contains(args, "close") || slices.Contains(args, "shutdown") {
		args = append(args, "--force", "--timeout", "2ms")
	}
	return args
}

// runAny runs a command line, which ends soon, and checks what it says.
func runAny(t *testing.T, args []string, stdin []byte) {
	t.Helper()
	ctx := t.Context()
	if !slices.Contains(args, "close") && !slices.Contains(args, "shutdown") {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
	}
	var stdout, stderr bytes.Buffer
	a := &app{
		stdin: bytes.NewReader(stdin), stdout: &stdout, stderr: &stderr, getenv: os.Getenv,
	}
	code := a.execute(ctx, args)
	assert.Contains(t, documentedCodes, code, "%q: %s", args, &stderr)
	if code != exitOK && !strings.HasPrefix(stdout.String(), "CHANNELS ") &&
		!strings.HasPrefix(stdout.String(), "{\n  \"status\": ") { // what health found
		require.NotEmpty(t, stderr.String(), "%q failed with %d and says nothing", args, code)
	}
	if code != exitOK || !slices.Contains(args, "--json") || slices.Contains(args, "help") ||
		slices.Contains(args, "-h") || slices.Contains(args, "--help") ||
		strings.HasPrefix(args[0], "__") {
		return
	}
	for dec := json.NewDecoder(&stdout); dec.More(); {
		var v any
		require.NoError(t, dec.Decode(&v), "%q: %s", args, &stdout)
	}
}

// clearDir removes what the input before left.
func clearDir(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range left {
		require.NoError(t, os.Remove(filepath.Join(dir, e.Name())))
	}
}

// damaged makes a channel, whose bytes from one on are wrong, and a file that is none.
func damaged(t *testing.T, dir string, flip uint16) {
	t.Helper()
	ch, err := channel.Create(t.Context(), "bad", channel.Options{
		Slots: 4, SlotSize: 32, ArenaBytes: channel.NoArena, MaxParticipants: 4,
		Lifetime: channel.Persistent, OpenOptions: channel.OpenOptions{Dir: dir},
	})
	require.NoError(t, err)
	path := ch.Path()
	require.NoError(t, ch.Close())
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = file.WriteAt([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		int64(flip)%(16<<10)&^7)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shmring.other"), []byte("x"), 0o600))
}
