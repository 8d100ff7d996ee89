package layout

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// small returns the geometry of the smallest useful channel.
func small() Params {
	return Params{
		Kind: KindChannel, RingKind: RingMPSC, SlotCount: 16, SlotSize: 64,
		MaxParticipants: MinParticipants, ArenaSize: MinArena,
	}
}

func smallHeader(t testing.TB) (Header, Geometry) {
	t.Helper()
	g, err := NewGeometry(small())
	require.NoError(t, err)
	h := NewHeader(g)
	copy(h.Instance[:], "instance-0123456")
	copy(h.BootID[:], "boot-id-01234567")
	copy(h.CreatorComm[:], "creator")
	h.CreatedNs, h.CreatorPID, h.CreatorUID = 1_700_000_000_000_000_000, 4711, 1000
	return h, g
}

// resealed encodes h and gives it the checksum of what is there then.
func resealed(h Header, edit func(page []byte)) []byte {
	page := h.Encode()
	edit(page)
	binary.LittleEndian.PutUint64(page[PageSize-8:], xxhash.Sum64(page[:PageSize-8]))
	return page
}

func TestHeaderSurvivesEncodeAndDecode(t *testing.T) {
	h, g := smallHeader(t)
	got, gotGeometry, err := Decode(h.Encode(), g.TotalSize)
	require.NoError(t, err)
	assert.Equal(t, h, got, "Encode stores the checksum in h as well")
	assert.Equal(t, g, gotGeometry)
	assert.NotZero(t, got.Checksum)
}

func TestHeaderMagicReadsAsText(t *testing.T) {
	h, _ := smallHeader(t)
	assert.Equal(t, "shmring\n", string(h.Encode()[:8]))
}

func TestHeaderKeepsFeaturesThatAReaderMayIgnore(t *testing.T) {
	h, g := smallHeader(t)
	h.Compat, h.ROCompat = 1<<63|1, 1<<40
	got, _, err := Decode(h.Encode(), g.TotalSize)
	require.NoError(t, err)
	assert.Equal(t, uint64(1<<63|1), got.Compat)
	assert.Equal(t, uint64(1<<40), got.ROCompat)
}

func TestDecodeRefusesEveryDamagedByte(t *testing.T) {
	h, g := smallHeader(t)
	page := h.Encode()
	for i := range page {
		flip := byte(1) << (i % 8)
		page[i] ^= flip
		_, _, err := Decode(page, g.TotalSize)
		if !errors.Is(err, ErrInvalid) {
			t.Fatalf("byte %d ^ %#x: %v", i, flip, err)
		}
		page[i] ^= flip
	}
	_, _, err := Decode(page, g.TotalSize)
	require.NoError(t, err)
}

// TestDecodeRefusesEveryValueOfEveryByte is the same with all values of the bytes that mean
// something, alone and under a checksum that is right for them: then the value is refused for
// what it is, or the header is one that could have been written.
func TestDecodeRefusesEveryValueOfEveryByte(t *testing.T) {
	h, g := smallHeader(t)
	good := h.Encode()
	page := append([]byte(nil), good...)
	sum := page[PageSize-8:]
	const used = 168 // then zeroes, each of which is checked to be one
	for i := range used {
		for v := range 256 {
			if page[i] = byte(v); page[i] == good[i] {
				continue
			}
			if _, _, err := Decode(page, g.TotalSize); err == nil {
				t.Fatalf("byte %d is %#x: accepted", i, v)
			}
			binary.LittleEndian.PutUint64(sum, xxhash.Sum64(page[:PageSize-8]))
			got, _, err := Decode(page, g.TotalSize)
			if err == nil && string(got.Encode()) != string(page) {
				t.Fatalf("byte %d is %#x: accepted, and read as something else", i, v)
			}
			copy(sum, good[PageSize-8:])
		}
		page[i] = good[i]
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	put32 := func(off int, v uint32) func([]byte) {
		return func(p []byte) { binary.LittleEndian.PutUint32(p[off:], v) }
	}
	put64 := func(off int, v uint64) func([]byte) {
		return func(p []byte) { binary.LittleEndian.PutUint64(p[off:], v) }
	}
	for _, c := range []struct {
		name    string
		edit    func([]byte)
		foreign bool
		text    string
	}{
		{"magic", put64(0, 1), false, "magic"},
		{"version", put32(8, Version+1), true, "layout version 2, this program speaks 1"},
		{"reserved word", put32(12, 1), false, "reserved"},
		{"size", put64(16, 8192), false, "the file has"},
		{"lock offset", put64(24, 1<<61), true, "lock offset"},
		{"fingerprint", put64(32, 1), true, "fingerprint"},
		{"incompatible feature", put64(56, 4), true, "features 0x4"},
		{"second reserved word", put32(100, 1), false, "reserved"},
		{"first reserved byte", func(p []byte) { p[168] = 1 }, false, "reserved"},
		{"last reserved byte", func(p []byte) { p[PageSize-9] = 1 }, false, "reserved"},
		{"kind", put32(64, 9), false, "kind 9"},
		{"ring kind", put32(68, 0), false, "ring kind"},
		{"slot count", put64(72, 15), false, "15 slots"},
		{"another slot count", put64(72, 1024), false, "its geometry needs"},
		{"slot size", put32(80, 8), false, "slots of 8 bytes"},
		{"participants", put32(84, 1), false, "1 participants"},
		{"arena", put64(88, 1), false, "arena of 1 bytes"},
		{"options", put32(96, 1<<31), false, "option bits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, g := smallHeader(t)
			_, _, err := Decode(resealed(h, c.edit), g.TotalSize)
			require.ErrorIs(t, err, ErrInvalid)
			var he *HeaderError
			require.ErrorAs(t, err, &he)
			assert.Equal(t, c.foreign, he.Foreign)
			assert.Contains(t, err.Error(), c.text)
		})
	}
}

func TestDecodeRefusesAWrongChecksum(t *testing.T) {
	h, g := smallHeader(t)
	page := h.Encode()
	page[PageSize-1] ^= 1
	_, _, err := Decode(page, g.TotalSize)
	require.ErrorIs(t, err, ErrInvalid)
	assert.Contains(t, err.Error(), "checksum")
}

func TestDecodeRefusesFilesOfAnotherSize(t *testing.T) {
	h, g := smallHeader(t)
	page := h.Encode()
	for _, size := range []uint64{
		0, 1, PageSize - 1, PageSize, g.TotalSize - 1, g.TotalSize + 1, 1 << 63,
	} {
		_, _, err := Decode(page, size)
		require.ErrorIs(t, err, ErrInvalid, "%d bytes", size)
	}
	for _, n := range []int{0, 8, PageSize - 1} {
		_, _, err := Decode(page[:n], g.TotalSize)
		require.ErrorIs(t, err, ErrInvalid, "%d bytes read", n)
	}
	_, _, err := Decode(append(page, 1, 2, 3), g.TotalSize)
	require.NoError(t, err, "what follows the page is not looked at")
}

func TestForeignHeaderStillTellsVersionAndSize(t *testing.T) {
	h, g := smallHeader(t)
	h.Version = 77
	got, geo, err := Decode(h.Encode(), g.TotalSize)
	require.Error(t, err)
	assert.Zero(t, geo)
	assert.Equal(t, uint32(77), got.Version)
	assert.Equal(t, g.TotalSize, got.TotalSize)
}
