package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"shmring/internal/shmtest"
)

func TestAWrongCommandLineIsToldWithItsRemedy(t *testing.T) {
	shmtest.Dir(t)
	for line, want := range map[string]string{
		"recv q --timeout 5":          `--timeout: "5" is no duration: write it with its unit`,
		"recv q --count x":            `--count: "x" is no whole number`,
		"recv q --timeout":            "--timeout wants a value: longest wait for a message",
		"recv q -n":                   "--count wants a value: return after that many messages",
		"recv q --nope":               "unknown flag: --nope; shmctl help recv lists the flags",
		"event wait e -x":             "unknown shorthand flag: 'x' in -x; shmctl help event wait",
		"event wait e --since -1":     `--since: "-1" is no whole number from 0 on`,
		"create q --arena 10Q":        `--arena: "10Q" is no size: write bytes, or 64K, 1MiB`,
		"create q --kind x":           `--kind: "x" is neither mpsc nor spsc`,
		"create q --mode 9":           `--mode: "9" is no mode: write octal permission bits`,
		"replay f q --speed x":        `--speed: "x" is no number`,
		"bench --rate x":              `--rate: "x" is no list of numbers`,
		"bench --batch x":             `--batch: "x" is no list of whole numbers`,
		"close q --force=perhaps":     `--force: "perhaps" is neither true nor false`,
		"close q --force --rollback":  "--force, --rollback exclude each other",
		"recv q --hex --json --count": "--count wants a value",
		"demo x":                      "demo takes no arguments; shmctl help demo",
		"bench x":                     "bench takes no arguments; shmctl help bench",
		"--nope":                      "unknown flag: --nope; shmctl help lists the flags",
	} {
		var stderr strings.Builder
		a := &app{
			stdin: strings.NewReader(""), stdout: &strings.Builder{}, stderr: &stderr,
			getenv: func(string) string { return "" },
		}
		assert.Equal(t, exitUsage, a.execute(t.Context(), strings.Fields(line)), line)
		assert.Contains(t, stderr.String(), want, line)
		assert.NotContains(t, stderr.String(), "strconv", line)
	}
}
