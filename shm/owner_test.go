//go:build linux

package shm_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
	"shmring/shm"
)

func TestMapOfIDsIsFullOrHasStrangers(t *testing.T) {
	for text, full := range map[string]bool{
		"         0          0 4294967295\n":                  true,
		"         0     100000 4294967295\n":                  true,
		"         0          0 4294967294\n":                  false,
		"         1          1 4294967295\n":                  false,
		"         0          0          1\n":                  false,
		"         0       1000          1\n 1 100000 65536\n": false,
		"": false, "\n": false, "a b c": false, "0 0": false,
		"0 0 99999999999": false, "-1 0 4294967295": false,
	} {
		assert.Equal(t, full, shm.FullMap([]byte(text)), "%q", text)
	}
}

func init() { children["try-open"] = childTryOpen }

// childTryOpen says what comes of opening each name, and of making one of its own.
func childTryOpen(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	// What is shown for an id without mapping is allowed by mistake: it is nobody's id.
	allow := []uint32{overflowID}
	for _, name := range args {
		s, err := shm.Open(ctx, shm.OpenOptions{Name: name, AllowUIDs: allow})
		if err != nil {
			c.Say("%s: %s: %s", name, kindOf(err), strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		c.Say("%s: opened", name)
		if err := s.Close(); err != nil {
			return err
		}
	}
	mine, err := shm.Create(ctx, shm.CreateOptions{Name: "mine", Params: params()})
	if err != nil {
		return err
	}
	again, err := shm.Open(ctx, shm.OpenOptions{Name: "mine"})
	if err == nil {
		err = again.Close()
	}
	if err != nil {
		c.Say("own: %s", kindOf(err))
	} else {
		c.Say("own: opened")
	}
	return errors.Join(mine.Unlink(), mine.Close())
}

const overflowID = 65534

// beginStrangers makes segments of two users that this process is not, which everybody
// may write.
func beginStrangers(t *testing.T) {
	t.Helper()
	beginOpen(t)
	for name, uid := range map[string]int{"one": 54321, "other": 54322} {
		s := create(t, name)
		require.NoError(t, os.Chmod(s.Path(), 0o666))
		require.NoError(t, os.Chown(s.Path(), uid, uid))
	}
}

// startIn starts a child in a user namespace of its own.
func startIn(t *testing.T, ids []syscall.SysProcIDMap) *shmtest.Child {
	t.Helper()
	if _, err := os.Stat("/proc/self/ns/user"); err != nil {
		t.Skipf("this kernel has no user namespaces: %v", err)
	}
	return shmtest.StartAs(t, &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids,
	}, "try-open", "one", "other")
}

// TestOwnerWithoutAnIDInThisNamespaceIsNobodyKnown has users whom a user namespace shows
// under one and the same id, which the caller even allows.
func TestOwnerWithoutAnIDInThisNamespaceIsNobodyKnown(t *testing.T) {
	beginStrangers(t)
	c := startIn(t, []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}})
	told(t, c, "one: permission", "other: permission", "own: opened")
	require.NoError(t, c.Wait())
}

// TestProcessWithoutAnIDTakesNobodyForItself has a process that is shown to itself under
// the id of all strangers.
func TestProcessWithoutAnIDTakesNobodyForItself(t *testing.T) {
	beginStrangers(t)
	c := startIn(t, nil)
	told(t, c, "one: permission", "other: permission", "own: permission")
	require.NoError(t, c.Wait())
}

func TestIDsOfStrangersCountWhereEverybodyHasOne(t *testing.T) {
	beginOpen(t)
	s := create(t, "a")
	require.NoError(t, os.Chown(s.Path(), overflowID, overflowID))
	text := openBoth(t, "a", os.ErrPermission)
	assert.Contains(t, text, "uid 65534")
	assert.NotContains(t, text, "namespace")
	allowed, err := shm.Open(t.Context(), shm.OpenOptions{
		Name: "a", AllowUIDs: []uint32{overflowID},
	})
	require.NoError(t, err)
	require.NoError(t, allowed.Close())
}
