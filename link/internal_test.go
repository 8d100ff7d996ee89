package link

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func TestFrameHeaderHasTheDocumentedBytes(t *testing.T) {
	b := make([]byte, HeaderSize)
	Frame{ID: 0x0102030405060708, Kind: User + 0x17, Aux: 0x0a0b0c0d}.putHeader(b)
	assert.Equal(t, []byte{8, 7, 6, 5, 4, 3, 2, 1, 0x17, 1, 0, 0, 0x0d, 0x0c, 0x0b, 0x0a}, b)
}

func TestCancelsAreKnownUntilTheRequestEnds(t *testing.T) {
	var c cancels
	assert.Nil(t, c.take())
	assert.False(t, c.has(1))
	for _, id := range []uint64{1, 2, 1, 3} {
		c.add(id)
	}
	assert.True(t, c.has(1) && c.has(2) && c.has(3))
	c.forget(2)
	c.forget(9)
	assert.False(t, c.has(2))
	assert.Equal(t, []uint64{1, 3}, c.take())
	assert.Nil(t, c.take())
	assert.True(t, c.has(1))
	c.add(1)
	assert.Nil(t, c.take(), "it is known already")
}

func TestCancelsOfRequestsThatNeverComeAreForgotten(t *testing.T) {
	var c cancels
	for id := range uint64(3 * maxCancels) {
		c.add(id)
	}
	assert.Len(t, c.set, maxCancels)
	assert.Len(t, c.fresh, maxCancels)
	assert.False(t, c.has(2*maxCancels-1))
	assert.True(t, c.has(2*maxCancels))
}

func TestStatusCellHoldsTheLongestValues(t *testing.T) {
	long := make([]byte, 2*maxNote)
	for i := range long {
		long[i] = 'x'
	}
	in := told{
		note: string(long), sinceNs: 1, atNs: 2, limit: int64(time.Hour), done: 3, total: 4,
		value: make([]byte, MaxStatus),
	}
	out, ok := decodeTold(in.encode())
	require.True(t, ok)
	in.note = in.note[:maxNote]
	assert.Equal(t, in, out)
}

// TestStatusCellOfAHostileRunnerIsReadWithinItsBounds gives the decoder any bytes.
func TestStatusCellOfAHostileRunnerIsReadWithinItsBounds(t *testing.T) {
	random, _ := shmtest.Rand(t)
	for range 10000 {
		b := make([]byte, random.IntN(240))
		for i := range b {
			b[i] = byte(random.Uint32() >> (random.IntN(4) * 8))
		}
		s, ok := decodeTold(b)
		assert.Equal(t, len(b) >= toldHeader, ok)
		assert.LessOrEqual(t, len(s.note)+len(s.value), len(b))
	}
}
