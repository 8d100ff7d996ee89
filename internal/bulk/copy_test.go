//go:build linux

package bulk

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestCopyIsCopy(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	src := make([]byte, 40<<10)
	for i := range src {
		src[i] = byte(rng.Uint32())
	}
	for range 2000 {
		from, to := rng.IntN(100), rng.IntN(100)
		n, room := rng.IntN(20<<10), rng.IntN(20<<10)
		got, want := make([]byte, to+room+10), make([]byte, to+room+10)
		a := Copy(got[to:to+room], src[from:from+n])
		b := copy(want[to:to+room], src[from:from+n])
		require.Equal(t, b, a)
		require.True(t, bytes.Equal(want, got), "%d bytes from %d to %d of %d", n, from, to, room)
	}
	require.Zero(t, Copy(nil, src))
	require.Zero(t, Copy(src, nil))
}

func BenchmarkCopy(b *testing.B) {
	for _, size := range []int{2 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20, 16 << 20} {
		src, dst := make([]byte, size), make([]byte, size)
		for name, f := range map[string]func(dst, src []byte) int{
			"bulk": Copy, "go": func(d, s []byte) int { return copy(d, s) },
		} {
			b.Run(fmt.Sprintf("%s/%dKiB", name, size>>10), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					f(dst, src)
				}
			})
		}
	}
}

// TestFaultOfACopyIsAPanicThatCanBeRecovered: package shm's guards rely on that.
func TestFaultOfACopyIsAPanicThatCanBeRecovered(t *testing.T) {
	const size = 64 << 10
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(mem)) }()
	require.NoError(t, unix.Mprotect(mem[size/2:], unix.PROT_NONE))
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	own := make([]byte, size)
	require.Panics(t, func() { Copy(mem, own) }, "into it")
	require.Panics(t, func() { Copy(own, mem) }, "out of it")
	require.Equal(t, size/2, Copy(own, mem[:size/2]))
}
