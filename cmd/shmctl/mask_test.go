package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"

	"shmring/shm"
)

// masks replace what differs from run to run and from machine to machine. Their order counts.
var masks = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?`), "DATE"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "INSTANCE"},
	{regexp.MustCompile(`\b(0x)?[0-9a-f]{16}\b`), "HEX"},
	{regexp.MustCompile(`\bgo1\.\S+ linux/\w+`), "GO PLATFORM"},
	{regexp.MustCompile(`\b(pid|uid|gid|kill( -\w+)?) \d+`), "$1 ID"},
	{regexp.MustCompile(`("(?:pid|uid|gid)": ?)\d+`), "${1}ID"},
	{regexp.MustCompile(`("\w+_ns": ?)\d+`), "${1}NS"},
	{regexp.MustCompile(`\b(receiver|sender|controller|member)( +)\d+\b`), "$1${2}ID"},
	{regexp.MustCompile(`\b(a long while ago|\d+ \w+ ago|now)\b`), "AGO"},
	{regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?(ns|µs|ms|s)\b`), "TIME"},
	{regexp.MustCompile(`(\S)  +`), "$1  "}, // columns are as wide as what was masked
	{regexp.MustCompile(` +\n`), "\n"},
}

// masked is a text with names for what differs.
func masked(text, work, dir string) string {
	text = strings.ReplaceAll(text, dir, "DIR")
	text = strings.ReplaceAll(text, work, "WORK")
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.with)
	}
	return text
}

// figure is what was measured, with its unit.
var figure = regexp.MustCompile(`\b\d[\d.,]*(ns|µs|ms|s| [kMG]?B)?\b`)

// mask prints the standard output of the last command, or a file, masked.
func mask(ts *testscript.TestScript, neg bool, args []string) {
	figures := len(args) > 0 && args[0] == "figures"
	if figures {
		args = args[1:]
	}
	if neg || len(args) > 1 {
		ts.Fatalf("usage: mask [figures] [stderr|FILE]")
	}
	text := ts.ReadFile(append(args, "stdout")[0])
	if figures {
		text = figure.ReplaceAllString(text, "N")
	}
	_, err := fmt.Fprint(ts.Stdout(),
		masked(text, ts.Getenv("WORK"), ts.Getenv(shm.EnvDir)))
	ts.Check(err)
}

func TestMaskKeepsWhatIsTheSame(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"4 of 4 slots in use", "4 of 4 slots in use"},
		{
			"receiver pid 4711 (hold) alive, last progress 1.203s ago",
			"receiver pid ID (hold) alive, last progress TIME ago",
		},
		{
			"kill -CONT 12, or shmctl recover q --kill 12",
			"kill -CONT ID, or shmctl recover q --kill ID",
		},
		{"q  receiver  4711  hold  3 minutes ago   \n", "q  receiver  ID  hold  AGO\n"},
		{"/dev/shm/x/shmring.q of 1m0s in /tmp/y/f", "DIR/shmring.q of TIME in WORK/f"},
		{`"pid": 12, "elapsed_ns": 5, "depth": 5`, `"pid": ID, "elapsed_ns": NS, "depth": 5`},
		{"2026-03-01T10:00:00.5Z", "DATE"},
	} {
		assert.Equal(t, c.want, masked(c.text, "/tmp/y", "/dev/shm/x"))
	}
}
