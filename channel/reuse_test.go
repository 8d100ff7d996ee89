//go:build linux

package channel_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/layout"
)

// After a Progress that panicked, the wake of the context's end is still armed when the
// channel is closed: it writes into whatever was mapped there since.
func TestEndOfAContextWritesIntoNobodysMemory(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(t.Context(), nil))
	ctx, cancel := context.WithCancel(t.Context())
	func() {
		defer func() { _ = recover() }()
		_ = ch.Drain(ctx, func(channel.Progress) { panic("mine") })
	}()
	drain(t, rx)
	g, err := layout.NewGeometry(layout.Params{
		Kind: layout.KindChannel, RingKind: layout.RingMPSC,
		SlotCount: channel.DefaultSlots, SlotSize: channel.DefaultSlotSize,
		MaxParticipants: channel.DefaultMaxParticipants, ArenaSize: channel.DefaultArenaBytes,
	})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	mem, err := unix.Mmap(-1, 0, int(g.TotalSize), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON) // the kernel gives the same hole
	require.NoError(t, err)
	cancel()
	time.Sleep(50 * time.Millisecond)
	for off, b := range mem {
		if b != 0 {
			t.Fatalf("byte %d of foreign memory became %d", off, b)
		}
	}
	require.NoError(t, unix.Munmap(mem))
}
