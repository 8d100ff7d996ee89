//go:build linux

package channel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

func init() { children["full file system"] = childFullFileSystem }

// childFullFileSystem mounts a small tmpfs where only it can see it, fills it up beside a
// channel, and then uses every page of the channel.
func childFullFileSystem(c *shmtest.Conn, args []string) error {
	const size = 4 << 20
	dir := args[0]
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		c.Say("skip: a file system cannot be mounted here: %v", err)
		return nil
	}
	ctx := context.Background()
	o := channel.Options{Slots: 1024, SlotSize: 256, ArenaBytes: 1 << 20, MaxParticipants: 16}
	o.Dir = dir
	ch, err := channel.Create(ctx, "q", o)
	if err != nil {
		return err
	}
	if err := fillUp(filepath.Join(dir, "filler")); err != nil {
		return err
	}
	if err := refuseOnFull(ctx, o); err != nil {
		return err
	}
	if err := useEveryPage(ctx, ch, o); err != nil {
		return err
	}
	if _, err := ch.Shutdown(ctx, channel.ShutdownOptions{}); err != nil {
		return err
	}
	if err := ch.Close(); err != nil {
		return err
	}
	c.Say("done")
	return nil
}

// fillUp writes a file until there is no room for a byte more.
func fillUp(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, layout.PageSize)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("the file system did not become full: %w", err)
	}
	return f.Close()
}

// refuseOnFull makes sure that no other channel can be made, and that nothing is left of it.
func refuseOnFull(ctx context.Context, o channel.Options) error {
	for _, name := range []string{"other", ""} {
		o.Nameless = name == ""
		_, err := channel.Create(ctx, name, o)
		if !errors.Is(err, channel.ErrNoSpace) {
			return fmt.Errorf("create %q where there is no room: %w", name, err)
		}
	}
	files, err := os.ReadDir(o.Dir)
	if err == nil && len(files) != 2 {
		err = fmt.Errorf("%d files, want the channel and what fills the rest", len(files))
	}
	return err
}

// useEveryPage takes all places at once and writes each slot and each byte of the arena
// several times.
func useEveryPage(ctx context.Context, ch *channel.Channel, o channel.Options) error {
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	var txs []*channel.Sender
	for {
		tx, err := ch.TrySender()
		if errors.Is(err, channel.ErrBusy) {
			break
		}
		if err != nil {
			return err
		}
		txs = append(txs, tx)
	}
	total := 0
	for i := 0; i < 4*o.Slots || total < 4*o.ArenaBytes; i++ {
		p := bytes.Repeat([]byte{byte(i)}, 1+i*37%5000)
		if err := txs[i%len(txs)].Send(ctx, p); err != nil {
			return err
		}
		if len(p) > o.SlotSize {
			total += len(p)
		}
		got, err := rx.RecvAppend(ctx, nil)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, p) {
			return fmt.Errorf("message %d came back as another", i)
		}
	}
	return nil
}

// TestEveryPageCanBeUsedOnAFileSystemThatBecameFull has what was allocated when the channel
// was made: a store into a page that is not there would end the process by SIGBUS.
func TestEveryPageCanBeUsedOnAFileSystemThatBecameFull(t *testing.T) {
	onSmallFileSystem(t, "full file system")
}

// onSmallFileSystem runs a child that may mount, and must say "done".
func onSmallFileSystem(t *testing.T, child string) {
	t.Helper()
	dir := shmtest.Dir(t)
	shmtest.Watchdog(t, limit)
	id := func(host int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: host, Size: 1}}
	}
	attr := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: id(os.Geteuid()), GidMappings: id(os.Getegid()),
	}
	if os.Geteuid() == 0 {
		attr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	} else if _, err := os.Stat("/proc/self/ns/user"); err != nil {
		t.Skipf("neither root nor user namespaces: nobody can mount: %v", err)
	}
	c := shmtest.StartAs(t, attr, child, dir)
	line, _ := c.Hear()
	if strings.HasPrefix(line, "skip: ") {
		t.Skip(line)
	}
	require.NoError(t, c.Wait())
	require.Equal(t, "done", line)
}
