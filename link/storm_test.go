//go:build linux

package link_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
	"shmring/link"
)

// TestRunnersKilledWhileTheyAttachKeepNobodyOut kills runners of a name at any moment of
// their start: the one that is left alone is served.
func TestRunnersKilledWhileTheyAttachKeepNobodyOut(t *testing.T) {
	ctx, dir := begin(t)
	random, _ := shmtest.Rand(t)
	last := make(chan struct{})
	sup, err := link.Start(ctx, link.Options{Name: "llm", Restart: atOnce},
		func(ctx context.Context, s *link.Server) error {
			select {
			case <-s.Done():
				return s.Err()
			case <-last:
			}
			if err := ask(ctx, s, 1, "to be"); err != nil {
				return err
			}
			words, err := answer(ctx, s, 1)
			if err == nil {
				assert.Equal(t, []string{"to", "be"}, words)
			}
			return err
		})
	require.NoError(t, err)
	for range 25 {
		child := shmtest.Start(t, "attach-and-echo", "llm")
		moment := time.NewTimer(time.Duration(random.IntN(30)) * time.Millisecond)
		<-moment.C
		child.Kill()
	}
	child := shmtest.Start(t, "attach-and-echo", "llm")
	close(last)
	_, err = sup.Wait()
	require.NoError(t, err)
	require.NoError(t, child.Wait())
	empty(t, dir)
}
