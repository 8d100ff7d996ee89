//go:build linux

package shm_test

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/shm"
)

func TestWhatWasGivenBackIsZeroesAndCanBeTakenAgain(t *testing.T) {
	begin(t)
	p := params()
	p.ArenaSize = 256 << 10
	s, err := shm.Create(t.Context(), shm.CreateOptions{Name: "a", Params: p})
	require.NoError(t, err)
	closeAtEnd(t, s)
	v := s.View()
	n, page := v.ArenaSize, uint64(os.Getpagesize())
	copy(v.Slots, bytes.Repeat([]byte{1}, len(v.Slots)))
	copy(v.Arena, bytes.Repeat([]byte{2}, len(v.Arena)))
	given := func() uint64 {
		n, err := s.GivenBack()
		require.NoError(t, err)
		return n
	}
	require.Zero(t, given())
	require.NoError(t, s.GiveBack(v.ArenaOff, n/2))
	require.Equal(t, n/2, given())
	require.NoError(t, s.GiveBack(v.ArenaOff, n/2), "again")
	require.NoError(t, s.Refill())
	require.Zero(t, given())
	require.NoError(t, s.Refill(), "again")
	require.Equal(t, make([]byte, n/2), v.Arena[:n/2])
	require.Equal(t, bytes.Repeat([]byte{2}, int(n/2)), v.Arena[n/2:])
	require.Equal(t, bytes.Repeat([]byte{1}, len(v.Slots)), v.Slots)
	for _, x := range [][2]uint64{
		{0, page},
		{v.SlotsOff - page, page},
		{v.ArenaOff + 1, page},
		{v.ArenaOff, page - 1},
		{v.TotalSize, page},
		{v.ArenaOff, n + page},
		{v.ArenaOff, math.MaxUint64 - page + 1},
		{math.MaxUint64 - page + 1, 2 * page},
	} {
		require.ErrorIs(t, s.GiveBack(x[0], x[1]), fs.ErrInvalid, "%d", x)
	}
	require.Zero(t, given())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.GiveBack(v.ArenaOff, page), os.ErrClosed)
	require.ErrorIs(t, s.Refill(), os.ErrClosed)
}
