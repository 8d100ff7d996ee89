package channel_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

// several creates n channels with both roles.
func several(t testing.TB, n int) ([]*channel.Channel, []*channel.Sender, []*channel.Receiver) {
	t.Helper()
	var chs []*channel.Channel
	var txs []*channel.Sender
	var rxs []*channel.Receiver
	for i := range n {
		ch, err := channel.Create(t.Context(), fmt.Sprintf("q%d", i), channel.Options{Slots: 4})
		require.NoError(t, err)
		tx, rx := pair(t, ch)
		chs, txs, rxs = append(chs, ch), append(txs, tx), append(rxs, rx)
	}
	return chs, txs, rxs
}

func waitables(rxs []*channel.Receiver) []channel.Waitable {
	out := make([]channel.Waitable, len(rxs))
	for i, rx := range rxs {
		out[i] = rx
	}
	return out
}

func TestWaitPrefersTheFirstInOrder(t *testing.T) {
	ctx := begin(t)
	chs, txs, rxs := several(t, 3)
	require.NoError(t, txs[2].Send(ctx, []byte("low")))
	require.NoError(t, txs[1].Send(ctx, []byte("high")))
	i, err := channel.Wait(ctx, waitables(rxs)...)
	require.NoError(t, err)
	require.Equal(t, 1, i)
	m, err := rxs[1].TryRecv()
	require.NoError(t, err)
	require.Equal(t, "high", string(m.Bytes()))
	m.Release()
	i, err = channel.Wait(ctx, waitables(rxs)...)
	require.NoError(t, err)
	require.Equal(t, 2, i)
	require.Equal(t, 1, drain(t, rxs[2]))
	for _, ch := range chs {
		require.NoError(t, ch.Close())
	}
}

func TestWaitIsWokenByAMessageASealAndRoom(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	chs, txs, rxs := several(t, 3)
	ready := make(chan int)
	wait := func(ws ...channel.Waitable) {
		go func() {
			i, err := channel.Wait(ctx, ws...)
			if err != nil {
				i = -1
			}
			ready <- i
		}()
	}
	wait(waitables(rxs)...)
	require.NoError(t, txs[1].Send(ctx, nil))
	require.Equal(t, 1, <-ready)
	require.Equal(t, 1, drain(t, rxs[1]))

	wait(waitables(rxs)...)
	require.NoError(t, chs[2].Seal("end"))
	require.Equal(t, 2, <-ready)
	_, err := rxs[2].Recv(ctx)
	require.Equal(t, io.EOF, err)

	for txs[0].TrySend(nil) == nil {
	}
	wait(txs[0], rxs[1])
	m, err := rxs[0].TryRecv()
	require.NoError(t, err)
	m.Release()
	require.Equal(t, 0, <-ready, "room is something to wait for")
	require.Equal(t, 3, drain(t, rxs[0]))

	wait(rxs[0], rxs[1])
	awaitWaitHandle(t, rxs[0])
	require.NoError(t, chs[1].Close())
	require.Equal(t, 1, <-ready, "a close is reported by the handle it closed")
	for _, ch := range []*channel.Channel{chs[0], chs[2]} {
		require.NoError(t, ch.Close())
	}
}

// awaitWaitHandle returns once somebody has the turn of rx.
func awaitWaitHandle(t testing.TB, rx *channel.Receiver) {
	t.Helper()
	for {
		if _, err := rx.TryRecv(); err != nil && !isEmpty(err) {
			require.ErrorIs(t, err, channel.ErrBusy)
			return
		}
	}
}

func TestWaitRefusesMisuseAndEndsWithItsContext(t *testing.T) {
	begin(t)
	chs, _, rxs := several(t, 2)
	_, err := channel.Wait(t.Context())
	require.ErrorIs(t, err, channel.ErrState)
	_, err = channel.Wait(t.Context(), rxs[0], rxs[0])
	require.ErrorIs(t, err, channel.ErrState)
	_, err = channel.Wait(short(t), rxs[0], rxs[1])
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := channel.Wait(ctx, rxs[0], rxs[1])
		ended <- err
	}()
	awaitWaitHandle(t, rxs[1])
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	_, err = rxs[0].TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty, "the turns were given back")
	for _, ch := range chs {
		require.NoError(t, ch.Close())
	}
}
