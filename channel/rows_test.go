//go:build linux

package channel_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/shmtest"
)

// rewrites are enough for a reader to meet a row that is free and valid again in between.
const rewrites = 3000

// Both rows are written in many steps, and read in as many.
func TestRowsThatAreWrittenMeanwhileAreReadWhole(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	ctx := t.Context()
	var o channel.Options
	o.Dir = channeltest.Dir(t)
	create := func(name string) *channel.Channel {
		ch, err := channel.Create(ctx, name, o)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, ch.Close()) })
		return ch
	}
	ch := create("q")
	texts := []string{strings.Repeat("a", 150), strings.Repeat("b", 150)}
	others := []*channel.Channel{create(texts[0]), create(texts[1])}
	deadlines := []time.Time{time.Unix(1, 0), time.Unix(2, 0)}
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < rewrites && err == nil; i++ {
			n := i % 2
			err = errors.Join(ch.DependOn(ctx, others[n]),
				ch.Announce(ctx, texts[n], deadlines[n]), ch.Independ(ctx, texts[n]))
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			require.NoError(t, err)
			return
		default:
		}
		for _, d := range ch.Dependencies() {
			require.Contains(t, texts, d.Name)
			require.Equal(t, d.Name == texts[1], d.Instance == others[1].Instance())
		}
		if p, ok := ch.Plan(); ok {
			require.Contains(t, texts, p.Reason)
			require.Equal(t, p.Reason == texts[1], p.Deadline.Equal(deadlines[1]))
		}
	}
}
