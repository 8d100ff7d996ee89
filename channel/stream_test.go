package channel_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

// content makes n bytes that do not repeat soon.
func content(n int) []byte {
	rng := rand.NewChaCha8([32]byte{byte(n)})
	b := make([]byte, n)
	_, _ = rng.Read(b) // never fails
	return b
}

func TestReaderPassesIotest(t *testing.T) {
	ctx := begin(t)
	for _, n := range []int{0, 1, 100, 70_000, 300_000} {
		want := content(n)
		ch := newChannel(t, channel.Options{Slots: 8})
		tx, rx := pair(t, ch)
		sent := make(chan error, 1)
		go func() {
			_, err := channel.NewWriter(ctx, tx).Write(want)
			sent <- errors.Join(err, ch.Seal("end"))
		}()
		require.NoError(t, iotest.TestReader(channel.NewReader(ctx, rx), want), "%d bytes", n)
		require.NoError(t, <-sent)
		require.NoError(t, ch.Close())
	}
}

func TestCopyThroughAChannelInSmallAndLargePieces(t *testing.T) {
	ctx := begin(t)
	want := content(1 << 20)
	for name, source := range map[string]func() io.Reader{
		"all at once": func() io.Reader { return bytes.NewReader(want) },
		"halves":      func() io.Reader { return iotest.HalfReader(bytes.NewReader(want)) },
		"data with the error": func() io.Reader {
			return iotest.DataErrReader(bytes.NewReader(want))
		},
	} {
		ch := newChannel(t, channel.Options{})
		tx, rx := pair(t, ch)
		sent := make(chan error, 1)
		go func() {
			n, err := channel.NewWriter(ctx, tx).ReadFrom(source())
			if err == nil && n != int64(len(want)) {
				err = io.ErrShortWrite
			}
			sent <- errors.Join(err, ch.Seal("end"))
		}()
		var got bytes.Buffer
		n, err := io.Copy(&got, channel.NewReader(ctx, rx))
		require.NoError(t, err, name)
		require.EqualValues(t, len(want), n)
		require.True(t, bytes.Equal(want, got.Bytes()), name)
		require.NoError(t, <-sent, name)
		require.Zero(t, ch.Stats().Depth)
		require.NoError(t, ch.Close())
	}
}

func TestStreamErrorsOnBothSides(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 4})
	tx, rx := pair(t, ch)
	w := channel.NewWriter(ctx, tx)
	_, err := w.ReadFrom(idle{})
	require.ErrorIs(t, err, io.ErrNoProgress)
	_, err = w.ReadFrom(iotest.ErrReader(io.ErrUnexpectedEOF))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	n, err := w.Write(nil)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = w.Write([]byte("hello world"))
	require.NoError(t, err)
	r := channel.NewReader(ctx, rx)
	_, err = r.WriteTo(refusing{})
	require.ErrorIs(t, err, io.ErrClosedPipe)
	b := make([]byte, 10)
	n, err = r.Read(b)
	require.NoError(t, err)
	require.Equal(t, "hello worl", string(b[:n]), "what was refused is still there")
	require.NoError(t, r.Close())
	require.NoError(t, ch.Seal("end"))
	n, err = w.Write([]byte("late"))
	require.ErrorIs(t, err, channel.ErrDraining)
	require.Zero(t, n)
	_, err = w.ReadFrom(strings.NewReader("late"))
	require.ErrorIs(t, err, channel.ErrDraining)
	require.NoError(t, ch.Close())
}

// idle has nothing and no error.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// refusing takes nothing.
type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFeedAndForwardJoinGoChannels(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 4})
	tx, rx := pair(t, ch)
	in, out := make(chan []byte), make(chan []byte)
	fed, forwarded := make(chan error, 1), make(chan error, 1)
	go func() { fed <- errors.Join(channel.Feed(ctx, tx, in), ch.Seal("end")) }()
	go func() {
		forwarded <- channel.Forward(ctx, rx, out)
		close(out)
	}()
	go func() {
		for i := range 100 {
			in <- []byte{byte(i)}
		}
		close(in)
	}()
	i := 0
	for b := range out {
		require.Equal(t, []byte{byte(i)}, b)
		i++
	}
	require.Equal(t, 100, i)
	require.NoError(t, <-fed)
	require.NoError(t, <-forwarded)

	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, channel.Feed(ended, tx, make(chan []byte)), context.Canceled)
	require.ErrorIs(t, channel.Forward(ended, rx, out), context.Canceled)
	require.NoError(t, ch.Close())
}

// token is what a runner might send for each step.
type token struct {
	Request uint64
	ID      int32
	LogProb float32
	Top     [4]struct {
		ID      int32
		LogProb float32
	}
}

func TestPlainValuesTravelAsTheirMemory(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	codec, err := channel.NewPlain[token]()
	require.NoError(t, err)
	typed := channel.NewTyped(codec)
	want := token{Request: 7, ID: -1, LogProb: -0.5}
	want.Top[3].ID = 9
	require.NoError(t, typed.Send(ctx, tx, want))
	got, err := typed.Recv(ctx, rx)
	require.NoError(t, err)
	require.Equal(t, want, got)

	require.NoError(t, typed.Send(ctx, tx, want))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	in, err := codec.View(m)
	require.NoError(t, err)
	require.Equal(t, want, *in, "in place")
	m.Release()

	require.NoError(t, tx.Send(ctx, []byte("not a token")))
	_, err = typed.Recv(ctx, rx)
	require.ErrorIs(t, err, channel.ErrState)
	require.Zero(t, rx.Len(), "what does not decode is not in the way")
	require.NoError(t, ch.Close())
}

func TestPlainRefusesPointers(t *testing.T) {
	_, err := channel.NewPlain[struct{ A []byte }]()
	require.ErrorContains(t, err, ".A is a slice")
	_, err = channel.NewPlain[string]()
	require.Error(t, err)
	_, err = channel.NewPlain[[2]*int]()
	require.Error(t, err)
	_, err = channel.NewPlain[[2]struct{ F func() }]()
	require.Error(t, err)
	_, err = channel.NewPlain[struct{}]()
	require.NoError(t, err)
}

func TestBinaryValuesEncodeThemselves(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	typed := channel.NewTyped[netip.Addr](channel.Binary[netip.Addr, *netip.Addr]{Max: 16})
	addrs := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1")}
	for _, a := range addrs {
		require.NoError(t, typed.Send(ctx, tx, a))
	}
	tight := channel.NewTyped[netip.Addr](channel.Binary[netip.Addr, *netip.Addr]{Max: 3})
	require.ErrorIs(t, tight.Send(ctx, tx, addrs[0]), channel.ErrTooBig)
	require.NoError(t, ch.Seal("end"))
	var got []netip.Addr
	for a, err := range typed.Values(ctx, rx) {
		require.NoError(t, err)
		got = append(got, a)
	}
	require.Equal(t, addrs, got)
	require.NoError(t, ch.Close())
}
