package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
	"shmring/internal/race"
)

func TestMessagesAllocateNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	small, long := make([]byte, 8), make([]byte, 1000)
	batch := [][]byte{small, long, small, small}
	for _, p := range []layout.Params{params(16, 64, 64<<10), stamped(16, 64, 64<<10)} {
		r, _ := newRing(t, p)
		tx, rx := r.NewProducer(2), newConsumer(t, r)
		receive := func(n int) {
			var it Item
			for range n {
				if err := rx.Next(&it); err != nil || !rx.Release(it.Pos) {
					t.Fatal(err)
				}
			}
		}
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for name, call := range map[string]func(){
			"send":      func() { must(tx.Send(small)); receive(1) },
			"send long": func() { must(tx.Send(long)); receive(1) },
			"batch": func() {
				n, err := tx.SendBatch(batch)
				must(err)
				receive(n)
			},
			"reserve and commit": func() {
				_, err := tx.Reserve(1000)
				must(err)
				must(tx.Commit(500))
				receive(1)
			},
			"reserve and abort": func() {
				_, err := tx.Reserve(8)
				must(err)
				tx.Abort()
				must(tx.Send(small))
				receive(1)
			},
			"nothing to receive": func() {
				var it Item
				if rx.Next(&it) != ErrEmpty { //nolint:errorlint // bare by contract
					t.Fatal("not empty")
				}
			},
			"no room": func() {
				if tx.Room(1) != nil {
					t.Fatal("full")
				}
			},
			"skip and look": func() {
				_, err := rx.Skip(nobody)
				must(err)
				must(r.Check())
			},
			"flush": func() { rx.Flush(); tx.Flush() },
		} {
			require.Zero(t, testing.AllocsPerRun(200, call), name)
		}
	}
}

// The bare values, so that a loop may compare with ==.
func TestErrorsAreReturnedBare(t *testing.T) {
	r, v := newRing(t, params(1, 16, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	var it Item
	require.Same(t, ErrEmpty, rx.Next(&it))
	require.Same(t, ErrNotPending, tx.Commit(0))
	require.Same(t, ErrTooBig, tx.Send(make([]byte, v.MaxMessage()+1)))
	_, err := tx.Reserve(-1)
	require.Same(t, ErrTooBig, err)
	_, err = tx.Reserve(1)
	require.NoError(t, err)
	require.Same(t, ErrPending, tx.Send(nil))
	require.Same(t, ErrTooBig, tx.Commit(2))
	require.Same(t, ErrTooBig, tx.Commit(-1))
	require.Same(t, ErrHole, rx.Next(&it))
	require.NoError(t, tx.Commit(1))
	require.Same(t, ErrFull, tx.Send(nil))
	recv(t, rx)
	r.Seal()
	require.Same(t, ErrSealed, tx.Send(nil))
	require.Same(t, ErrEnd, rx.Next(&it))
}
