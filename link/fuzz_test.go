//go:build linux

package link

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

// FuzzFrame receives anything as a frame and reads it as a status: what is too short for a
// header is refused and given back, and else the frame says what its bytes say.
func FuzzFrame(f *testing.F) {
	ctx := f.Context()
	ch, err := channel.Create(ctx, "", channel.Options{
		Slots: 4, ArenaBytes: 64 << 10, OpenOptions: channel.OpenOptions{Dir: shmtest.Dir(f)},
		Nameless: true,
	})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, ch.Close()) })
	tx, err := ch.TrySender()
	require.NoError(f, err)
	rx, err := ch.TryReceiver()
	require.NoError(f, err)
	f.Add([]byte{})
	f.Add(make([]byte, HeaderSize-1))
	f.Add(make([]byte, HeaderSize))
	f.Add(bytes.Repeat([]byte{0xff}, 300))
	f.Add(told{note: "loading", total: 4, done: 3, value: []byte("x")}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<12 {
			return
		}
		if s, ok := decodeTold(b); ok {
			require.LessOrEqual(t, len(s.note)+len(s.value), len(b))
			again, ok := decodeTold(s.encode())
			require.True(t, ok)
			require.Equal(t, s.done, again.done)
		}
		require.NoError(t, tx.TrySend(b))
		m, err := rx.TryRecv()
		require.NoError(t, err)
		frame, err := parse(m)
		if len(b) < HeaderSize {
			require.ErrorIs(t, err, ErrProtocol)
		} else {
			require.NoError(t, err)
			head := make([]byte, HeaderSize)
			frame.putHeader(head)
			copy(head[10:12], b[10:12]) // nobody looks at these
			require.Equal(t, b[:HeaderSize], head)
			require.Equal(t, b[HeaderSize:], append([]byte{}, frame.Payload...))
		}
		frame.Release()
		require.Zero(t, ch.Stats().Depth, "it was given back")
	})
}
