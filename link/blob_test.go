//go:build linux

package link_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/link"
)

func init() {
	children["blob"] = runner(func(r *link.Runner) error {
		for f, err := range r.Frames(r.Context()) {
			if err != nil {
				return err
			}
			l, err := r.Reserve(r.Context(), link.Frame{ID: f.ID, Kind: link.Embedding, Aux: 9},
				len(f.Payload))
			if err != nil {
				return err
			}
			for i, b := range f.Payload { // from place to place, without a copy in between
				l.Bytes()[i] = ^b
			}
			if err := l.Commit(len(f.Payload)); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestBlobsGoBothWaysInPlace(t *testing.T) {
	const size = 32 << 20
	ctx, _ := begin(t)
	big := channel.Options{ArenaBytes: 128 << 20}
	_, err := link.Run(ctx, link.Options{Command: command("blob"), Requests: big, Tokens: big},
		func(ctx context.Context, s *link.Server) error {
			require.GreaterOrEqual(t, s.MaxPayload(), size)
			l, err := s.Reserve(ctx, link.Frame{ID: 5, Kind: link.Blob}, size)
			require.NoError(t, err)
			for i := range l.Bytes() {
				l.Bytes()[i] = byte(i * 7)
			}
			require.ErrorIs(t, l.Commit(size+1), channel.ErrTooBig)
			require.NoError(t, l.Commit(size))
			require.ErrorIs(t, l.Commit(size), channel.ErrState)
			l.Abort()
			f, err := s.Recv(ctx)
			require.NoError(t, err)
			defer f.Release()
			require.Len(t, f.Payload, size)
			assert.Equal(t, link.Embedding, f.Kind)
			assert.EqualValues(t, 5, f.ID)
			assert.EqualValues(t, 9, f.Aux)
			want := make([]byte, size)
			for i := range want {
				want[i] = ^byte(i * 7)
			}
			assert.True(t, bytes.Equal(want, f.Payload))
			return nil
		})
	require.NoError(t, err)
}
