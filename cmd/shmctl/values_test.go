package main

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
)

func TestSizesInEverySpelling(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "1": 1, "64": 64, "64b": 64, "64K": 65536, "64k": 65536, "64KB": 65536,
		"64KiB": 65536, "64 KiB": 65536, "1M": 1 << 20, "1MiB": 1 << 20, "256mib": 256 << 20,
		"1G": 1 << 30, " 8 ": 8,
	} {
		n, err := parseSize(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, n, text)
	}
}

func TestWhatIsNoSize(t *testing.T) {
	for _, text := range []string{
		"", "B", "K", "iB", "KiB", "-1", "1.5M", "1T", "1i", "64iB", "0x10", "9223372036854775807G",
		"1e3", "none",
	} {
		_, err := parseSize(text)
		assert.Error(t, err, text)
	}
}

func TestAnArenaCanBeNone(t *testing.T) {
	var arena int
	require.NoError(t, sizeValue{n: &arena, none: channel.NoArena}.Set("none"))
	assert.Equal(t, channel.NoArena, arena)
	assert.Error(t, sizeValue{n: &arena}.Set("none"), "a slot size cannot")
}

func TestKinds(t *testing.T) {
	kind := channel.MPSC
	require.NoError(t, kindValue{&kind}.Set("SPSC"))
	assert.Equal(t, channel.SPSC, kind)
	assert.Equal(t, "spsc", kindValue{&kind}.String())
	assert.Error(t, kindValue{&kind}.Set("mpmc"))
}

func TestModesAreOctalPermissionBits(t *testing.T) {
	var mode fs.FileMode
	require.NoError(t, modeValue{&mode}.Set("0660"))
	assert.Equal(t, fs.FileMode(0o660), mode)
	for _, text := range []string{"", "0", "888", "rw", "4755", "10000"} {
		assert.Error(t, modeValue{&mode}.Set(text), text)
	}
}
