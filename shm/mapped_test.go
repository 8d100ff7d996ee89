//go:build linux

package shm

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/internal/shmtest"
)

// mapped makes a segment and a second attachment to it.
func mapped(t *testing.T) (s, other *Segment) {
	t.Helper()
	shmtest.Dir(t)
	s, err := Create(t.Context(), CreateOptions{Name: "a", Params: layout.Params{
		Kind: layout.KindChannel, RingKind: layout.RingMPSC, SlotCount: 4, SlotSize: 64,
		MaxParticipants: 8,
	}})
	require.NoError(t, err)
	other, err = Open(t.Context(), OpenOptions{Name: "a"})
	require.NoError(t, err)
	return s, other
}

func gone() bool { return true }

// As long as somebody can still store to the memory, its locks are held: a free lock is
// proof that nothing more comes.
func TestALockLastsAsLongAsItsMapping(t *testing.T) {
	if race.Enabled && os.Getenv("SHMRING_RACE_VISIBLE") != "0" {
		t.Skip("the detector's mapping is one for all attachments")
	}
	s, other := mapped(t)
	require.NoError(t, s.Claim(3))
	require.NoError(t, s.file.Close())
	held, err := other.Alive(3)
	require.NoError(t, err)
	require.True(t, held, "the memory is still mapped")
	require.NoError(t, unmap(s.mem))
	held, err = other.Alive(3)
	require.NoError(t, err)
	require.False(t, held)
	require.NoError(t, s.probe.Close())
	require.NoError(t, other.Detach(t.Context(), gone))
}

// A file that has only a length would raise SIGBUS in whoever touches the first page that
// cannot be had.
func TestMemoryIsAllocatedWhenASegmentIsCreated(t *testing.T) {
	s, other := mapped(t)
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(s.file.Fd()), &st))
	require.GreaterOrEqual(t, st.Blocks*512, int64(s.header.TotalSize))
	require.NoError(t, s.Detach(t.Context(), gone))
	require.NoError(t, other.Detach(t.Context(), gone))
}

// A child that is forked without exec could write and hold no lock.
func TestMappingIsKeptFromForkedChildren(t *testing.T) {
	if race.Enabled && os.Getenv("SHMRING_RACE_VISIBLE") != "0" {
		t.Skip("the detector's mapping is one for all attachments")
	}
	s, other := mapped(t)
	maps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	found, ours := 0, false
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.Contains(fields[0], "-") {
			ours = fields[4] == strconv.FormatUint(s.ino, 10)
		}
		if ours && fields[0] == "VmFlags:" {
			found++
			require.Contains(t, fields, "dc", "of both mappings")
		}
	}
	require.Equal(t, 2, found)
	require.NoError(t, s.Detach(t.Context(), gone))
	require.NoError(t, other.Detach(t.Context(), gone))
}

// Who gets a file holds nothing of whom it came from.
func TestFileThatIsHandedOutKeepsNoLock(t *testing.T) {
	s, other := mapped(t)
	require.NoError(t, s.Claim(3))
	f, err := s.File()
	require.NoError(t, err)
	require.NoError(t, s.Close())
	held, err := other.Alive(3)
	require.NoError(t, err)
	require.False(t, held)
	alone, err := other.TryExclusive()
	require.NoError(t, err)
	require.True(t, alone)
	require.NoError(t, f.Close())
	require.NoError(t, other.Detach(t.Context(), gone))
}
