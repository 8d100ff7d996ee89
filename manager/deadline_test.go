package manager

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLateDeadlineHasNoTimerUntilItIsAskedFor(t *testing.T) {
	parent, cancel := context.WithCancelCause(t.Context())
	d := &lateDeadline{Context: parent, until: time.Now().Add(time.Hour)}
	require.NoError(t, d.Err())
	assert.Nil(t, d.inner.Load())
	reason := errors.New("enough")
	cancel(reason)
	require.ErrorIs(t, d.Err(), context.Canceled)
	require.ErrorIs(t, context.Cause(d), reason)
	assert.Nil(t, d.inner.Load())
	<-d.Done()
	require.ErrorIs(t, d.Err(), context.Canceled)
	require.ErrorIs(t, context.Cause(d), reason)
	d.cease()
}

func TestLateDeadlineComes(t *testing.T) {
	d := &lateDeadline{Context: t.Context(), until: time.Now().Add(time.Millisecond)}
	ended := make(chan struct{})
	context.AfterFunc(d, func() { close(ended) })
	until, ok := d.Deadline()
	assert.True(t, ok)
	assert.Equal(t, d.until, until)
	<-ended
	<-d.Done()
	require.ErrorIs(t, d.Err(), context.DeadlineExceeded)
	require.ErrorIs(t, context.Cause(d), context.DeadlineExceeded)
	d.cease()
}

func TestLateDeadlineKeepsNoTimerOfAnOperationThatIsOver(t *testing.T) {
	type key struct{}
	parent := context.WithValue(t.Context(), key{}, "value")
	d := &lateDeadline{Context: parent, until: time.Now().Add(time.Hour)}
	child, cancel := context.WithCancel(d)
	defer cancel()
	require.NoError(t, child.Err())
	assert.Equal(t, "value", child.Value(key{}))
	d.cease()
	<-child.Done()
	d.cease()
	late := &lateDeadline{Context: parent, until: time.Now().Add(time.Hour)}
	late.cease()
	require.NoError(t, late.Err())
	<-late.Done()
	require.ErrorIs(t, late.Err(), context.Canceled)
}
