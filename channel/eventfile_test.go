//go:build linux

package channel_test

import (
	"context"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

func init() { children["event-inherited"] = childEventInherited }

// childEventInherited answers the first value by another one.
func childEventInherited(c *shmtest.Conn, _ []string) error {
	channel.NoSlices()
	e, err := channel.OpenEventFile(os.NewFile(3, "event"), channel.OpenOptions{})
	if err != nil {
		return err
	}
	_, value, err := e.Wait(context.Background(), 0)
	if err != nil {
		return err
	}
	if _, err := e.Signal(append(value, " heard"...)); err != nil {
		return err
	}
	c.Hear()
	return e.Close()
}

func TestNamelessEventIsHandedToAChild(t *testing.T) {
	ctx := begin(t) // its directory must be empty at the end
	e, err := channel.CreateEvent(ctx, "", channel.EventOptions{Nameless: true})
	require.NoError(t, err)
	require.Empty(t, e.Path())
	file, err := e.File()
	require.NoError(t, err)
	child := shmtest.StartFiles(t, "event-inherited", []*os.File{file})
	require.NoError(t, file.Close())
	seq, err := e.Signal([]byte("said"))
	require.NoError(t, err)
	_, value, err := e.Wait(ctx, seq)
	require.NoError(t, err)
	require.Equal(t, "said heard", string(value))
	child.Kill()
	require.NoError(t, e.Close())
}

func TestNamelessEventHasNoNameAndAnyOtherNeedsOne(t *testing.T) {
	ctx := begin(t)
	_, err := channel.CreateEvent(ctx, "", channel.EventOptions{})
	require.ErrorIs(t, err, fs.ErrInvalid)
	_, err = channel.CreateEvent(ctx, "e", channel.EventOptions{Nameless: true})
	require.ErrorIs(t, err, fs.ErrInvalid)
	_, err = channel.OpenOrCreateEvent(ctx, "", channel.EventOptions{Nameless: true})
	require.ErrorIs(t, err, fs.ErrInvalid)
}

func TestFileOfAChannelIsNoEvent(t *testing.T) {
	ctx := begin(t)
	ch, err := channel.Create(ctx, "", channel.Options{Nameless: true})
	require.NoError(t, err)
	file, err := ch.File()
	require.NoError(t, err)
	_, err = channel.OpenEventFile(file, channel.OpenOptions{})
	require.ErrorIs(t, err, channel.ErrLayout)
	require.NoError(t, ch.Close())
}
