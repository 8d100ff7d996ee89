package layout

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

// headerFields are the offsets and sizes of all described fields of a header.
func headerFields() []Field {
	for _, t := range Tables() {
		if t.Name == "Header" {
			return t.Fields
		}
	}
	panic("layout: no table of the header")
}

// FuzzDecode asserts that whatever lies in the first page of a file of any size, Decode
// returns a typed error or a geometry whose parts lie inside the file, in order and
// aligned. With seal the page gets a right checksum first, so that the checks behind it
// are met, too.
func FuzzDecode(f *testing.F) {
	h, g := smallHeader(f)
	page := h.Encode()
	f.Add(page, g.TotalSize, false)
	f.Add(page[:100], g.TotalSize, false)
	f.Add(page[:PageSize-1], g.TotalSize, true)
	f.Add([]byte{}, uint64(0), true)
	f.Add([]byte("shmring\n"), uint64(8), true)
	f.Add(resealed(h, func(p []byte) { p[96] = OptChecksums }), g.TotalSize, true)
	f.Add(page, uint64(math.MaxUint64), false)
	for _, field := range headerFields() {
		for _, fill := range []byte{0x00, 0x7f, 0x80, 0xff} {
			bad := append([]byte(nil), page...)
			for i := range field.Size {
				bad[field.Offset+i] = fill
			}
			f.Add(bad, g.TotalSize, true)
			f.Add(bad, binary.LittleEndian.Uint64(bad[16:]), true) // the size it claims
		}
	}
	f.Fuzz(func(t *testing.T, page []byte, fileSize uint64, seal bool) {
		if seal && len(page) >= PageSize {
			page = append([]byte(nil), page...)
			binary.LittleEndian.PutUint64(page[PageSize-8:], xxhash.Sum64(page[:PageSize-8]))
		}
		h, g, err := Decode(page, fileSize)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			_, typed := errors.AsType[*HeaderError](err)
			require.True(t, typed, "%T", err)
			require.Zero(t, g, "nobody can use the geometry of a header that was refused")
			return
		}
		require.Equal(t, page[:PageSize], h.Encode(), "the header says all that the page does")
		requireSound(t, g)
		require.Equal(t, fileSize, g.TotalSize)
		if g.TotalSize <= 1<<20 {
			_, err := Overlay(HeapMemory(g.TotalSize), g)
			require.NoError(t, err)
		}
	})
}

// requireSound checks that the parts of a segment follow each other without overlap.
func requireSound(t *testing.T, g Geometry) {
	t.Helper()
	end := uint64(ControlOff) + ControlSize
	for _, part := range []struct{ off, size uint64 }{
		{g.ParticipantsOff, uint64(g.MaxParticipants) * ParticipantSize},
		{g.DeathsOff, DeathCount * DeathSize},
		{g.SlotsOff, g.SlotCount * uint64(g.SlotSize)},
		{g.ArenaOff, g.ArenaSize},
	} {
		require.GreaterOrEqual(t, part.off, end)
		require.Zero(t, part.off%64)
		end = part.off + part.size
	}
	require.Equal(t, g.TotalSize, end)
	require.Less(t, g.TotalSize, uint64(1)<<40, "no sum overflowed")
	require.Equal(t, g.SlotCount, uint64(1)<<g.SlotShift)
	require.Equal(t, g.ArenaSize, g.ArenaUnits*ArenaUnit)
	require.LessOrEqual(t, uint64(g.PayloadOff)+8, uint64(g.SlotSize), "a reference fits")
	require.Equal(t, g.SlotSize, g.PayloadOff+g.InlineMax)
	require.LessOrEqual(t, g.MaxMessage(), MaxLength)
}
