//go:build linux

package manager_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/shmtest"
	"shmring/manager"
)

// scarceProcess mounts a small file system where only it can see it, fills all but a page of
// it up beside a channel, and says what health that has.
var _ = channeltest.Func("scarce",
	func(ctx context.Context, c *channeltest.Child) error {
		dir := c.Args[0]
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
			c.Say("skip: a file system cannot be mounted here: %v", err)
			return nil
		}
		return with(manager.Options{Dir: dir}, func(m *manager.Manager) error {
			o := channel.Options{Slots: 16, ArenaBytes: channel.NoArena}
			if _, err := m.Create(ctx, "q", o); err != nil {
				return err
			}
			var fs unix.Statfs_t
			if err := unix.Statfs(dir, &fs); err != nil {
				return err
			}
			block := int64(fs.Bsize) //nolint:unconvert // it is narrower on other processors
			filler := make([]byte, (int64(fs.Bavail)-1)*block)
			if err := os.WriteFile(filepath.Join(dir, "filler"), filler, 0o600); err != nil {
				return err
			}
			h, err := m.Health(ctx, "q")
			if err != nil {
				return err
			}
			c.Say("%s: %s", h.Status, strings.Join(h.Reasons, "; "))
			return nil
		})
	})

func TestHealthTellsOfLittleMemory(t *testing.T) {
	shmtest.Watchdog(t, limit)
	dir := t.TempDir()
	s := startStranger(t, &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}, "scarce", dir)
	line, _ := s.Hear()
	require.NoError(t, s.cmd.Wait())
	if reason, skip := strings.CutPrefix(line, "skip: "); skip {
		t.Skip(reason)
	}
	assert.Equal(t, "degraded: 4096 of 4194304 bytes of the file system of the segments are free",
		line)
}
