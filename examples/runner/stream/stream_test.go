package stream_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shmring/examples/runner/engine"
	"shmring/examples/runner/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func token(i int) engine.Token { return engine.Token{ID: 1, Index: uint32(i), Byte: byte(i)} }

func TestTokensComeInOrderAndThenTheEnd(t *testing.T) {
	s := stream.New(0, nil)
	const n = 100
	go func() {
		for i := range n {
			s.Push(token(i))
		}
		s.Push(engine.Token{End: engine.Done})
	}()
	var got []engine.Token
	for {
		ts, err := s.Next(t.Context(), nil)
		got = append(got, ts...)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	require.Len(t, got, n)
	for i, g := range got {
		assert.Equal(t, token(i), g)
	}
}

func TestReaderThatIsTooSlowIsCutAtOnce(t *testing.T) {
	cut := 0
	s := stream.New(3, func() { cut++ })
	for i := range 3 {
		assert.True(t, s.Push(token(i)))
	}
	assert.False(t, s.Push(token(3)))
	assert.False(t, s.Push(token(4)))
	assert.Equal(t, 1, cut)
	_, err := s.Next(t.Context(), nil)
	require.ErrorIs(t, err, stream.ErrSlow)
}

func TestFailureComesBehindTheTokens(t *testing.T) {
	s := stream.New(0, nil)
	gone := errors.New("gone")
	s.Push(token(0))
	s.Fail(gone)
	s.Fail(io.EOF)
	assert.False(t, s.Push(token(1)))
	ts, err := s.Next(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, []engine.Token{token(0)}, ts)
	_, err = s.Next(t.Context(), nil)
	require.ErrorIs(t, err, gone)
}

func TestEndOfTheContextEndsAWait(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := stream.New(0, nil).Next(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}
