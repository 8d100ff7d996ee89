package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"shmring/channel"
	"shmring/internal/layout"
)

func op(err error) error { return &channel.OpError{Op: "send", Name: "q", Err: err} }

func TestExitCodeOfEveryError(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{errors.New("other"), 1},
		{op(channel.ErrTooBig), 1},
		{&fileError{fs.ErrNotExist}, 1}, // a file to send, not a channel
		{usagef("no"), 2},
		{op(fs.ErrInvalid), 2},
		{op(fmt.Errorf("%w: %w", channel.ErrLayout, layout.ErrInvalid)), 2}, // asked for
		{op(fs.ErrNotExist), 3},
		{op(fs.ErrPermission), 4},
		{op(context.DeadlineExceeded), 5},
		{op(errors.Join(context.DeadlineExceeded, channel.ErrBusy)), 5},
		{op(channel.ErrBusy), 6},
		{op(channel.ErrNoHolder), 6},
		{op(channel.ErrState), 6},
		{op(channel.ErrDraining), 6},
		{op(&channel.DiscardedError{N: 3}), 6},
		{op(channel.ErrOrphaned), 6},
		{op(channel.ErrStale), 6},
		{op(fs.ErrExist), 6},
		{op(channel.ErrCorrupt), 7},
		{op(channel.ErrFault), 7},
		{op(channel.ErrLayout), 7},
		{op(fmt.Errorf("%w: %w", channel.ErrCorrupt, &layout.HeaderError{Text: "x"})), 7}, // met
		{op(channel.ErrNoSpace), 8},
		{op(syscall.ENOSPC), 1}, // of the output, say
		{op(&channel.PeerError{PID: 1}), 9},
		{op(&signalError{syscall.SIGINT}), 130},
		{op(&signalError{syscall.SIGTERM}), 143},
		{severalErrors{op(fs.ErrNotExist), op(channel.ErrBusy)}, 3},
	} {
		assert.Equal(t, c.code, exitCode(c.err), "%v", c.err)
	}
}

func TestEveryExitCodeIsDocumented(t *testing.T) {
	for _, c := range codes {
		assert.Contains(t, exitCodesText, fmt.Sprintf("\n  %d ", c.code))
	}
	assert.Contains(t, exitCodesText, "\n  130 ")
	assert.Contains(t, exitCodesText, "\n  143 ")
}

func TestAnErrorIsOneLineThatBeginsWithItsVerb(t *testing.T) {
	var stderr strings.Builder
	a := &app{stderr: &stderr}
	a.complain("send", op(errors.New("a\nb")))
	a.complain("", usagef("no verb"))
	assert.Equal(t, "shmctl send: q: a; b\nshmctl: no verb\n", stderr.String())
}

func TestErrorsSayWhatToDo(t *testing.T) {
	assert.Equal(t, "q: file does not exist: "+
		"shmctl ls lists the channels, shmctl create q makes one", explain(op(fs.ErrNotExist)))
	assert.Equal(t, "q: time ran out: shmctl stat q says who holds it up, and what to do",
		explain(op(context.DeadlineExceeded)))
	assert.Equal(t, "3 slots, want a power of two", explain(op(fmt.Errorf("%w: %w: 3 slots, %s",
		channel.ErrLayout, layout.ErrInvalid, "want a power of two"))))
	assert.Contains(t, explain(op(channel.ErrDraining)), "shmctl recv q takes the rest")
	alone := op(&channel.PeerError{Role: layout.RoleReceiver})
	assert.Contains(t, explain(alone), "shmctl close q --force")
}
