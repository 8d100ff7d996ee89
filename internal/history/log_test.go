//go:build linux

package history

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

func TestMain(m *testing.M) {
	shmtest.Main(m, map[string]shmtest.ChildFunc{"log": childLog})
}

// childLog writes operations until it is killed.
func childLog(c *shmtest.Conn, _ []string) error {
	l, err := Open(os.NewFile(3, "log"))
	if err != nil {
		return err
	}
	c.Say("writing")
	for seq := 0; ; seq++ {
		op := Op{Kind: Send, Lane: 2, Key: MakeKey(1, seq), N: 1}
		i := l.Begin(op)
		op.Outcome, op.Done = OK, 1
		l.Finish(i, op)
	}
}

func TestLogOfAKilledWriterHasAllButItsLastOperation(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	for range 3 {
		l, f, err := New(1 << 14)
		require.NoError(t, err)
		c := shmtest.StartFiles(t, "log", []*os.File{f})
		c.Expect("writing")
		for len(l.Ops()) < 100 {
			shmtest.Yield()
		}
		c.Kill()
		ops := l.Ops()
		for i, op := range ops {
			assert.Equal(t, MakeKey(1, i), op.Key)
			assert.EqualValues(t, 2, op.Lane)
			if i == len(ops)-1 && op.Outcome == Pending {
				continue // "maybe"
			}
			require.Equal(t, OK, op.Outcome)
			require.Equal(t, 1, op.Done)
			require.LessOrEqual(t, op.Begin, op.Stop)
			require.True(t, i == 0 || ops[i-1].Begin <= op.Begin)
		}
		require.NoError(t, l.Close())
		require.NoError(t, f.Close())
	}
}

func TestRecordsKeepEveryField(t *testing.T) {
	l, f, err := New(2)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	want := Op{
		Kind: Recv, Outcome: Failed, Lane: 255, Flags: Again | Torn | Short,
		Key: MakeKey(MaxStreams-1, MaxSeq), N: maxCount, Done: maxCount - 1,
	}
	assert.True(t, l.Empty())
	l.Note(want)
	assert.False(t, l.Empty())
	i := l.Begin(want)
	begun := l.Ops()[1]
	assert.Equal(t, Pending, begun.Outcome)
	assert.Zero(t, begun.Stop)
	l.Finish(i, want)
	assert.Panics(t, func() { l.Note(want) }, "it is full")
	assert.Panics(t, func() { Op{N: maxCount + 1}.meta() })
	for _, got := range l.Ops() {
		assert.Positive(t, got.Begin)
		assert.GreaterOrEqual(t, got.Stop, got.Begin)
		got.Begin, got.Stop = 0, 0
		assert.Equal(t, want, got)
	}
	require.NoError(t, l.Close())
}

func TestClockNeverClaimsAnOrderThatWasNot(t *testing.T) {
	a, b := NewClock(), NewClock()
	for range 1000 {
		before, begin := machineNow(), a.Begin()
		end, after := b.End(), machineNow()
		require.LessOrEqual(t, begin, after)
		require.GreaterOrEqual(t, end, before)
		require.LessOrEqual(t, begin, end, "what begins before something ends, by any clock")
	}
}

func TestEveryByteOfAMessageIsVerified(t *testing.T) {
	for _, n := range []int{0, 1, 3, 7, 8, 9, 15, 16, 17, 64, 1000} {
		b := make([]byte, n)
		Fill(b, MakeKey(5, 77))
		k, named, ok := Verify(b)
		require.True(t, ok)
		require.Equal(t, n >= IdentityBytes, named)
		if named {
			require.Equal(t, "5/77", k.String())
		}
		if n > IdentityBytes { // of one that is an identity alone, the key may be another
			for i := range b {
				torn := bytes.Clone(b)
				torn[i] ^= 0x10
				_, _, ok := Verify(torn)
				require.False(t, ok, "byte %d of %d", i, n)
			}
			_, _, ok = Verify(b[:n-1])
			require.False(t, ok)
			_, _, ok = Verify(append(bytes.Clone(b), 0))
			require.False(t, ok)
		}
	}
	assert.Panics(t, func() { MakeKey(MaxStreams, 0) })
	assert.Panics(t, func() { MakeKey(0, MaxSeq+1) })
	assert.Panics(t, func() { Fill(make([]byte, MaxLength+1), 0) })
}

func BenchmarkCheck(b *testing.B) {
	const n = 100_000
	run := &Run{Senders: make([][]Op, 1), Receivers: make([][]Op, 1), Ended: true}
	for i := range n {
		at := int64(10 * i)
		op := Op{Outcome: OK, Key: MakeKey(0, i), N: 1, Done: 1, Begin: at, Stop: at + 5}
		op.Kind = Send
		run.Senders[0] = append(run.Senders[0], op)
		op.Kind, op.Stop = Recv, at+6
		run.Receivers[0] = append(run.Receivers[0], op)
	}
	for b.Loop() {
		if v := Check(run); v.Messages != n || v.Wrong() != 0 {
			b.Fatal(v)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/msg")
}
