//go:build linux

package main

import (
	"bytes"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func TestWordsArriveWhoeverIsFirst(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	path := shmtest.Program(t)
	for _, sendFirst := range []bool{true, false} {
		shmtest.Dir(t) // it must be empty in the end
		var got, errs bytes.Buffer
		send := exec.CommandContext(t.Context(), path, "send", "hello", "world")
		recv := exec.CommandContext(t.Context(), path, "recv")
		recv.Stdout, recv.Stderr, send.Stderr = &got, &errs, &errs
		order := []*exec.Cmd{recv, send}
		if sendFirst {
			order = []*exec.Cmd{send, recv}
		}
		for _, cmd := range order {
			require.NoError(t, cmd.Start())
		}
		for _, cmd := range order {
			assert.NoError(t, cmd.Wait(), "%s", &errs) //nolint:testifylint // both are waited for
		}
		assert.Equal(t, "hello\nworld\n", got.String())
	}
}
