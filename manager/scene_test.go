//go:build linux

package manager_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/manager"
)

// This file holds what the processes of several tests do.

// number is the payload of message i.
func number(i uint64) []byte { return binary.LittleEndian.AppendUint64(nil, i) }

func numberOf(msg channel.Message) uint64 { return binary.LittleEndian.Uint64(msg.Bytes()) }

// with runs f with a Manager of its own, which is closed afterwards.
func with(o manager.Options, f func(m *manager.Manager) error) error {
	m, err := manager.New(o)
	if err != nil {
		return err
	}
	return errors.Join(f(m), m.Close())
}

// patient is the retry policy of those who know that a successor comes.
func patient() manager.Backoff { return &manager.Exponential{Attempts: 1000} }

// declare registers channels of one shape.
func declare(m *manager.Manager, names ...string) error {
	for _, name := range names {
		spec := manager.Spec{Options: channel.Options{Slots: 16, ArenaBytes: channel.NoArena}}
		if err := m.Declare(name, spec); err != nil {
			return err
		}
	}
	return nil
}

// link declares two channels of which the first depends on the second.
func link(ctx context.Context, m *manager.Manager, from, to string) error {
	if err := declare(m, from, to); err != nil {
		return err
	}
	return m.DependsOn(ctx, from, to)
}

// drainTo gives f every message until the end of a channel.
func drainTo(
	ctx context.Context, m *manager.Manager, name string, f func(channel.Message) error,
) error {
	c, err := m.Channel(name)
	if err != nil {
		return err
	}
	for {
		msg, err := c.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = f(msg)
		msg.Release()
		if err != nil {
			return err
		}
	}
}

// sendNumbers sends the numbers from first to last.
func sendNumbers(
	ctx context.Context, m *manager.Manager, name string, first, last uint64,
) error {
	c, err := m.Channel(name)
	if err != nil {
		return err
	}
	for i := first; i <= last; i++ {
		if err := c.Send(ctx, number(i)); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

// announcement waits until somebody announces the end of a channel.
func announcement(
	ctx context.Context, m *manager.Manager, name string,
) (change channel.Change, err error) {
	c, err := m.Channel(name)
	if err != nil {
		return change, err
	}
	raw, err := c.Raw(ctx)
	if err != nil {
		return change, err
	}
	for change, err := range raw.Watch(ctx) {
		if err != nil || change.Kind == channel.Announced {
			return change, err
		}
	}
	return change, errors.New("it ended unannounced")
}

// empty makes sure that a directory of segments holds nothing.
func empty(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Empty(t, files)
}

// writeAt writes into a segment as a foreign program might.
func writeAt(path string, b []byte, offset int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, offset)
	return errors.Join(err, f.Close())
}

// order returns the names in the order in which they ended.
func order(r manager.Report) []string {
	names := make([]string, 0, len(r.Ends))
	for _, end := range r.Ends {
		names = append(names, end.Name)
	}
	return names
}
