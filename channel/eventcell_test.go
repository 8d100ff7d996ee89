package channel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

// heapCell returns an event on the heap, where the race detector sees it.
func heapCell(t testing.TB, places uint32) (cell, *layout.View) {
	t.Helper()
	g, err := layout.NewGeometry(layout.EventParams(places, 0))
	require.NoError(t, err)
	v, err := layout.Overlay(layout.HeapMemory(g.TotalSize), g)
	require.NoError(t, err)
	c, err := newCell(v)
	require.NoError(t, err)
	c.start(0)
	return c, v
}

// eventValue is a value whose every byte follows from the first eight.
func eventValue(who, i uint64) []byte {
	b := make([]byte, 8+i%(MaxEventValue-7))
	binary.LittleEndian.PutUint64(b, who<<56|i)
	for k := 8; k < len(b); k++ {
		b[k] = byte(i*31 + who + uint64(k))
	}
	return b
}

// checkEventValue returns who made the value, and its number.
func checkEventValue(b []byte) (who, i uint64, err error) {
	if len(b) < 8 {
		return 0, 0, fmt.Errorf("value of %d bytes", len(b))
	}
	word := binary.LittleEndian.Uint64(b)
	who, i = word>>56, word&(1<<56-1)
	if want := eventValue(who, i); string(want) != string(b) {
		return who, i, fmt.Errorf("torn value %d of %d: %x", i, who, b)
	}
	return who, i, nil
}

func TestValuesOfConcurrentSignalsAreWholeAndInOrder(t *testing.T) {
	const writers, each = 3, 20_000
	c, _ := heapCell(t, 4)
	var running sync.WaitGroup
	for who := range uint64(writers) {
		running.Go(func() {
			w := newCellWriter(c, int(who))
			for i := range uint64(each) {
				if _, err := w.publish(eventValue(who, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			var last uint64
			next := [writers]uint64{}
			for {
				seq, b, err := c.load(nil)
				if errors.Is(err, ErrBusy) {
					continue
				}
				if err != nil || seq < last {
					t.Errorf("sequence %d after %d: %v", seq, last, err)
					return
				}
				if seq > 0 {
					who, i, err := checkEventValue(b)
					if err != nil || seq > last && i < next[who] {
						t.Errorf("value %d of %d after %d: %v", i, who, next[who], err)
						return
					}
					next[who] = i
				}
				last = seq
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	running.Wait()
	close(done)
	readers.Wait()
	seq, _, err := c.load(nil)
	require.NoError(t, err)
	require.EqualValues(t, writers*each, seq, "each signal has a sequence of its own")
}

func TestSequenceWraps(t *testing.T) {
	c, _ := heapCell(t, 4)
	c.start(layout.EventSeqMask - 1)
	w := newCellWriter(c, 0)
	for _, want := range []uint64{layout.EventSeqMask, 0, 1} {
		seq, err := w.publish([]byte{byte(want)})
		require.NoError(t, err)
		require.Equal(t, want, seq)
		got, b, err := c.load(nil)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, []byte{byte(want)}, b)
	}
	for _, tc := range []struct {
		seq, since uint64
		want       bool
	}{
		{0, 0, false},
		{1, 0, true},
		{0, 1, false},
		{0, layout.EventSeqMask, true},
		{layout.EventSeqMask, 0, false},
		{0, ^uint64(0), true}, // every bit set: all but the present one
		{layout.EventSeqMask / 2, 0, true},
		{layout.EventSeqMask/2 + 1, 0, false},
		{5, layout.EventSeqMask + 1 + 4, true}, // bits beyond the sequence mean nothing
	} {
		require.Equal(t, tc.want, after(tc.seq, tc.since), "%d after %d", tc.seq, tc.since)
	}
}

func TestSuccessorAtAPlaceSparesTheBufferThatIsPublished(t *testing.T) {
	for n := range 2 * layout.EventPerPlace {
		c, _ := heapCell(t, 4)
		dead := newCellWriter(c, 0)
		for i := range n {
			_, err := dead.publish([]byte{byte(i)})
			require.NoError(t, err)
		}
		was, err := c.now()
		require.NoError(t, err)
		header := c.buffers[was.Buffer()].Header.Load()
		next := newCellWriter(c, 0)
		for range layout.EventPerPlace {
			before, err := c.now()
			require.NoError(t, err)
			_, err = next.publish([]byte("successor"))
			require.NoError(t, err)
			after, err := c.now()
			require.NoError(t, err)
			require.NotEqual(t, before.Buffer(), after.Buffer())
			if before == was {
				require.Equal(t, header, c.buffers[was.Buffer()].Header.Load())
			}
		}
	}
}

func TestValueOfEveryLengthComesBack(t *testing.T) {
	c, _ := heapCell(t, 4)
	w := newCellWriter(c, 3)
	for n := range MaxEventValue + 1 {
		value := make([]byte, n)
		for k := range value {
			value[k] = byte(n + k)
		}
		_, err := w.publish(value)
		require.NoError(t, err)
		_, b, err := c.load([]byte("kept"))
		require.NoError(t, err)
		require.Equal(t, append([]byte("kept"), value...), b)
	}
}

// TestHostileWordsOfAnEventAreErrors writes nonsense over the words of an event: there is
// a value or a typed error, and never a panic or an endless loop.
func TestHostileWordsOfAnEventAreErrors(t *testing.T) {
	rng, _ := shmtest.Rand(t)
	c, v := heapCell(t, 5)
	w := newCellWriter(c, 2)
	typed := func(err error) {
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
	}
	corrupt := 0
	for range 20_000 {
		switch rng.IntN(4) {
		case 0:
			v.Control.Tail.V.Store(rng.Uint64())
		case 1:
			v.Control.Tail.V.Store(uint64(layout.NewEventWord(rng.Uint64N(8), rng.IntN(1024))))
		case 2:
			c.buffers[rng.IntN(len(c.buffers))].Header.Store(rng.Uint64())
		case 3:
			h := layout.NewEventHeader(rng.Uint64N(8), rng.IntN(256))
			c.buffers[rng.IntN(len(c.buffers))].Header.Store(uint64(h))
		}
		_, b, err := c.load(nil)
		typed(err)
		require.LessOrEqual(t, len(b), MaxEventValue)
		if err != nil {
			corrupt++
		}
		if rng.IntN(2) == 0 {
			seq, err := w.publish([]byte("sense"))
			typed(err)
			if err == nil {
				got, b, err := c.load(nil)
				require.NoError(t, err, "a signal that succeeds mends the event")
				require.Equal(t, seq, got)
				require.Equal(t, "sense", string(b))
			}
		}
	}
	require.NotZero(t, corrupt)
	v.Control.Tail.V.Store(1 << 63)
	_, _, err := c.load(nil)
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = w.publish(nil)
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestWordThatNeverStandsStillEndsACall(t *testing.T) {
	c, _ := heapCell(t, 4)
	stop := make(chan struct{})
	var flipping sync.WaitGroup
	flipping.Go(func() {
		for i := uint64(1); ; i++ {
			select {
			case <-stop:
				return
			default:
				c.word.Store(uint64(layout.NewEventWord(i, 7))) // a header never fits
			}
		}
	})
	for range 100 {
		if _, _, err := c.load(nil); err == nil {
			t.Log("the reader came before the flipper")
		}
	}
	close(stop)
	flipping.Wait()
}

func BenchmarkEventPublish(b *testing.B) {
	c, _ := heapCell(b, 4)
	w := newCellWriter(c, 0)
	for _, n := range []int{0, 8, MaxEventValue} {
		value := make([]byte, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := w.publish(value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
