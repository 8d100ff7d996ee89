package channel_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

func ExampleCopy() {
	dir, err := os.MkdirTemp("/dev/shm", "shmring-example-*")
	if err != nil {
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a directory for the example
	ctx := context.Background()
	o := channel.Options{}
	o.Dir = dir
	ch, err := channel.Create(ctx, "frames", o)
	if err != nil {
		return
	}
	defer ch.Close() //nolint:errcheck // as above
	tx, _ := ch.Sender(ctx)
	rx, _ := ch.Receiver(ctx)
	frame := bytes.Repeat([]byte("pixel "), 10_000)

	lease, err := tx.Reserve(ctx, len(frame))
	if err != nil {
		return
	}
	n := channel.Copy(lease.Bytes(), frame)
	if err := lease.Commit(n); err != nil {
		return
	}
	m, err := rx.Recv(ctx)
	if err != nil {
		return
	}
	fmt.Println(n, string(m.Bytes()[:5]))
	m.Release()
	// Output: 60000 pixel
}

// TestPayloadsOfAllSizesComeWhole goes over the sizes at which a message is copied otherwise.
func TestPayloadsOfAllSizesComeWhole(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{ArenaBytes: 64 << 20})
	tx, rx := pair(t, ch)
	pattern := make([]byte, 9<<20)
	for i := range pattern {
		pattern[i] = byte(i*7 + i>>8)
	}
	for _, size := range []int{
		0, 1, 56, 57, 2<<10 - 1, 2 << 10, 2<<10 + 1, 1 << 20, 8 << 20, 8<<20 + 1,
	} {
		p := pattern[len(pattern)-size:]
		require.NoError(t, tx.Send(ctx, p))
		k, err := tx.SendBatch(ctx, [][]byte{p, p[:size/2]})
		require.NoError(t, err)
		require.Equal(t, 2, k)
		got, err := rx.RecvAppend(ctx, []byte("before"))
		require.NoError(t, err)
		require.Equal(t, "before", string(got[:6]))
		require.True(t, bytes.Equal(p, got[6:]), size)
		for _, want := range [][]byte{p, p[:size/2]} {
			m, err := rx.Recv(ctx)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, m.Bytes()), size)
			m.Release()
		}
	}
	require.NoError(t, ch.Close())
}
