//go:build linux

package manager_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/shmtest"
	"shmring/manager"
)

func TestMain(m *testing.M) { channeltest.Main(m) }

// limit is when a watchdog takes a test for hanging.
const limit = time.Minute

// newManager returns a Manager over the test's own directory, which must be empty at its end.
func newManager(t *testing.T, o manager.Options) *manager.Manager {
	t.Helper()
	shmtest.Watchdog(t, limit)
	if o.Dir == "" {
		o.Dir = channeltest.Dir(t)
	}
	m, err := manager.New(o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := m.Close(); !errors.Is(err, channel.ErrClosed) {
			assert.NoError(t, err)
		}
	})
	return m
}

func TestDeclaredChannelIsCreatedWhenItIsFirstUsed(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	m := newManager(t, manager.Options{Dir: dir})
	require.NoError(t, m.Declare("q", manager.Spec{}))
	c, err := m.Channel("q")
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Empty(t, files, "declared, not used")
	require.NoError(t, c.Send(ctx, []byte("a")))
	n, err := c.SendBatch(ctx, [][]byte{[]byte("b"), []byte("c")})
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	got, err := c.Recv(ctx)
	require.NoError(t, err)
	assert.Equal(t, "a", string(got.Bytes()))
	got.Release()
	batch := make([]channel.Message, 8)
	n, err = c.RecvBatch(ctx, batch)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	for _, b := range batch[:n] {
		b.Release()
	}
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	require.NoError(t, raw.Seal("over"))
	_, err = c.Recv(ctx)
	assert.Equal(t, io.EOF, err)
	require.ErrorIs(t, c.Send(ctx, nil), channel.ErrClosed)
}

func TestNamesAreRegisteredOnce(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	a, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	b, err := m.OpenOrCreate(ctx, "q", channel.Options{})
	require.NoError(t, err)
	assert.Same(t, a, b)
	b, err = m.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	assert.Same(t, a, b)
	_, err = m.Create(ctx, "q", channel.Options{})
	require.ErrorIs(t, err, fs.ErrExist)
	assert.Equal(t, []*manager.Channel{a}, m.Channels())
	require.NoError(t, m.Forget("q"))
	require.NoError(t, m.Forget("q"))
	assert.Empty(t, m.Channels())
	require.ErrorIs(t, a.Send(ctx, nil), channel.ErrClosed)
}

func TestWhatCannotBeOpenedIsNotRegistered(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	_, err := m.Open(ctx, "q", channel.OpenOptions{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = m.Create(ctx, "q", channel.Options{Slots: 3})
	require.ErrorIs(t, err, channel.ErrLayout)
	_, err = m.Create(ctx, "", channel.Options{Nameless: true})
	require.ErrorIs(t, err, fs.ErrInvalid)
	_, err = m.Channel("q")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = manager.New(manager.Options{Dir: "/does/not/exist"})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestLeftoverOfADeadRunIsKeptOrReplacedAndALivingOneIsJoined(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	var o channel.Options
	o.Dir = dir
	left, err := channel.Create(ctx, "q", o)
	require.NoError(t, err)
	tx, err := left.Sender(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, []byte("of the former run")))
	for _, leftover := range []manager.Leftover{manager.Replace, manager.Keep, manager.Replace} {
		m := newManager(t, manager.Options{Dir: dir})
		require.NoError(t, m.Declare("q", manager.Spec{Leftover: leftover}))
		c, err := m.Channel("q")
		require.NoError(t, err)
		raw, err := c.Raw(ctx)
		require.NoError(t, err)
		depth := raw.Stats().Depth
		if left != nil {
			assert.Equal(t, uint64(1), depth, "somebody living has it")
			require.NoError(t, left.Close())
			left = nil
		} else {
			assert.Equal(t, uint64(1-leftover), depth)
		}
		require.NoError(t, m.Close())
	}
}

func TestOperationsAreReported(t *testing.T) {
	ctx := t.Context()
	var mu sync.Mutex
	var ops []manager.Op
	m := newManager(t, manager.Options{OnOperation: func(op manager.Op) {
		mu.Lock()
		defer mu.Unlock()
		ops = append(ops, op)
	}})
	c, err := m.Create(ctx, "q", channel.Options{Slots: 1})
	require.NoError(t, err)
	require.NoError(t, c.Send(ctx, nil))
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Send(short, nil), context.DeadlineExceeded)
	require.Len(t, ops, 3)
	kinds := []manager.OpKind{manager.OpOpen, manager.OpSend, manager.OpSend}
	outcomes := []manager.Outcome{manager.Succeeded, manager.Succeeded, manager.TimedOut}
	for i, op := range ops {
		assert.Equal(t, uint64(i+1), op.ID)
		assert.Equal(t, kinds[i], op.Kind)
		assert.Equal(t, outcomes[i], op.Outcome)
		assert.Equal(t, 1, op.Attempts)
		assert.Equal(t, "q", op.Channel)
	}
	assert.Equal(t, 1, ops[1].Messages)
	require.ErrorIs(t, ops[2].Err, context.DeadlineExceeded)
	got, err := c.Recv(ctx) // or the file would stay
	require.NoError(t, err)
	got.Release()
}

func TestOperationWithoutADeadlineGetsOne(t *testing.T) {
	m := newManager(t, manager.Options{OpTimeout: 100 * time.Millisecond})
	c, err := m.Create(context.Background(), "q", channel.Options{})
	require.NoError(t, err)
	_, err = c.Recv(context.Background())
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

var receiveOne = channeltest.Func("receive one and stay",
	func(ctx context.Context, c *channeltest.Child) error {
		ch, err := channel.Open(ctx, c.Args[0], channel.OpenOptions{})
		if err != nil {
			return err
		}
		rx, err := ch.Receiver(ctx)
		if err != nil {
			return err
		}
		c.Say("receiver")
		_, err = rx.Recv(ctx)
		c.Say("received %v", err)
		_, _ = c.Hear()
		return nil
	})

// TestSendIsRetriedWhileASuccessorMayCome lets a full channel lose its receiver.
func TestSendIsRetriedWhileASuccessorMayCome(t *testing.T) {
	ctx := t.Context()
	shmtest.Watchdog(t, limit)
	dir := channeltest.Setenv(t)
	retried := make(chan struct{}, 100)
	m := newManager(t, manager.Options{Dir: dir, Retry: func() manager.Backoff {
		return backoffFunc(func() time.Duration {
			retried <- struct{}{}
			return time.Millisecond
		})
	}})
	c, err := m.Create(ctx, "q", channel.Options{Slots: 1})
	require.NoError(t, err)
	p := receiveOne.Start(t, "q")
	p.Expect("receiver")
	require.NoError(t, c.Send(ctx, []byte("first")))
	p.Expect("received <nil>")
	sent := make(chan error, 1)
	go func() { sent <- c.Send(ctx, []byte("second")) }()
	p.Kill()
	<-retried // it died with the slot in its hands
	rx, err := c.Receiver(ctx)
	require.NoError(t, err)
	for _, want := range []string{"first", "second"} {
		got, err := rx.Recv(ctx)
		require.NoError(t, err)
		assert.Equal(t, want, string(got.Bytes()))
		got.Release()
	}
	require.NoError(t, <-sent)
}

type backoffFunc func() time.Duration

func (f backoffFunc) NextBackOff() time.Duration { return f() }

func TestCloseEndsWhoeverOpensOrWaitsForARole(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	a := newManager(t, manager.Options{Dir: dir})
	b := newManager(t, manager.Options{Dir: dir, OpTimeout: -1})
	held, err := a.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	_, err = held.Receiver(ctx)
	require.NoError(t, err)
	waits, err := b.OpenOrCreate(ctx, "q", channel.Options{})
	require.NoError(t, err)
	missing := make(chan error, 1)
	role := make(chan error, 1)
	go func() {
		_, err := waits.Receiver(context.Background())
		role <- err
	}()
	go func() {
		_, err := b.Open(context.Background(), "missing", channel.OpenOptions{Wait: true})
		missing <- err
	}()
	require.NoError(t, b.Close())
	require.ErrorIs(t, <-role, channel.ErrClosed)
	require.ErrorIs(t, <-missing, channel.ErrClosed)
	require.ErrorIs(t, b.Close(), channel.ErrClosed)
	_, err = b.Channel("q")
	require.ErrorIs(t, err, channel.ErrClosed)
	require.ErrorIs(t, b.Declare("q", manager.Spec{}), channel.ErrClosed)
}

func TestWaitingForOneRoleKeepsNobodyFromTheOther(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	a := newManager(t, manager.Options{Dir: dir})
	b := newManager(t, manager.Options{Dir: dir, OpTimeout: -1})
	held, err := a.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	_, err = held.Receiver(ctx)
	require.NoError(t, err)
	c, err := b.OpenOrCreate(ctx, "q", channel.Options{})
	require.NoError(t, err)
	waiting := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		close(begun)
		_, err := c.Receiver(context.Background())
		waiting <- err
	}()
	<-begun
	for range 100 {
		shmtest.Yield() // so that it most likely waits
	}
	require.NoError(t, c.Send(context.Background(), []byte("beside")))
	msg, err := held.Recv(ctx)
	require.NoError(t, err)
	msg.Release()
	require.NoError(t, b.Close())
	require.ErrorIs(t, <-waiting, channel.ErrClosed)
}

func TestDefaultIsOneManager(t *testing.T) {
	first := manager.Default()
	assert.Same(t, first, manager.Default())
}
