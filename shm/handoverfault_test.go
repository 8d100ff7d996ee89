//go:build linux && fault

package shm_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/fault"
	"shmring/shm"
)

// once runs f at the first hit of a fault point.
func once(t *testing.T, point string, f func()) {
	t.Helper()
	var first sync.Once
	fault.SetHook(func(name string) {
		if name == point {
			first.Do(f)
		}
	})
	t.Cleanup(func() { fault.SetHook(nil) })
}

// Of two who leave at once, the first has freed the control lock and is held up before it
// closes: the second finds that it is the last.
func TestSecondOfTwoWhoLeaveAtOnceIsTheLast(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	using, letGo := make(chan struct{}), make(chan struct{})
	once(t, "shm.open.opened", func() { // inside File, which no Close may disturb
		close(using)
		<-letGo
	})
	got := make(chan error, 2)
	go func() {
		f, err := a.File()
		if err == nil {
			err = f.Close()
		}
		got <- err
	}()
	<-using
	var left sync.WaitGroup
	left.Add(1)
	fault.SetHook(func(name string) {
		if name == "shm.control.unlock" {
			fault.SetHook(nil)
			left.Done()
		}
	})
	go func() { got <- a.Detach(t.Context(), always) }()
	left.Wait()
	require.NoError(t, b.Detach(t.Context(), always)) // waits for the control lock
	close(letGo)
	require.NoError(t, <-got)
	require.NoError(t, <-got)
	_, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a"})
	require.Error(t, err, "the last one out has removed it")
}

// Whoever opens a segment at the instant in which it gets its name finds a whole one, and
// its creator attached.
func TestWhoOpensWhatIsJustCreatedIsNotTheLast(t *testing.T) {
	begin(t)
	var other *shm.Segment
	var opened, left error
	once(t, "shm.create.linked", func() {
		other, opened = shm.Open(t.Context(), shm.OpenOptions{Name: "a"})
		if opened == nil {
			left = other.Detach(t.Context(), always)
		}
	})
	s := create(t, "a")
	require.NoError(t, opened)
	require.NoError(t, left)
	linked, err := s.Linked()
	require.NoError(t, err)
	require.True(t, linked)
	require.NoError(t, s.Detach(t.Context(), always))
}
