//go:build linux

package history

import (
	"fmt"
	"sync/atomic"

	"shmring/internal/layout"
)

// A Log is a file of operations in memory that outlives its writer. One goroutine writes
// it; others, of any process, may read meanwhile.
//
// A record is four words, of which the last makes it valid: kind and counts. Storing it
// again with an outcome ends the operation. So each step is one atomic store, and a kill
// between two of them leaves an operation that was not begun, or one that was not ended.
type Log struct {
	mem   []byte
	next  int
	clock Clock
}

const (
	wordBytes   = 8
	recordBytes = 4 * wordBytes
	maxCount    = 1<<16 - 1
)

func (l *Log) word(i, w int) *atomic.Uint64 {
	return layout.Word(l.mem, uint64(i*recordBytes+w*wordBytes))
}

// meta packs what makes a record valid.
func (op Op) meta() uint64 {
	if uint(op.N) > maxCount || uint(op.Done) > maxCount {
		panic(fmt.Sprintf("history: %d messages in one operation", op.N))
	}
	return uint64(op.Kind) | uint64(op.Outcome)<<8 | uint64(op.Lane)<<16 |
		uint64(op.Flags)<<24 | uint64(op.N)<<32 | uint64(op.Done)<<48
}

// Begin writes that op begins now and returns its number, for Finish.
func (l *Log) Begin(op Op) int {
	op.Outcome = Pending
	op.Begin, op.Stop = l.clock.Begin(), 0
	return l.append(op)
}

// Finish writes that operation i ended now, as op says.
func (l *Log) Finish(i int, op Op) {
	l.word(i, 1).Store(uint64(l.clock.End()))
	l.word(i, 2).Store(uint64(op.Key))
	l.word(i, 3).Store(op.meta())
}

// Note writes an operation that has no length.
func (l *Log) Note(op Op) {
	op.Begin, op.Stop = l.clock.Begin(), l.clock.End()
	l.append(op)
}

func (l *Log) append(op Op) int {
	i := l.next
	if (i+1)*recordBytes > len(l.mem) {
		panic(fmt.Sprintf("history: the log is full after %d operations", i))
	}
	l.word(i, 0).Store(uint64(op.Begin))
	l.word(i, 1).Store(uint64(op.Stop))
	l.word(i, 2).Store(uint64(op.Key))
	l.word(i, 3).Store(op.meta())
	l.next++
	return i
}

// Empty reports whether nothing is in the log.
func (l *Log) Empty() bool { return l.word(0, 3).Load() == 0 }

// Ops returns what is in the log.
func (l *Log) Ops() []Op {
	var ops []Op
	for i := 0; (i+1)*recordBytes <= len(l.mem); i++ {
		m := l.word(i, 3).Load()
		if m == 0 {
			break
		}
		ops = append(ops, Op{
			Kind: Kind(m), Outcome: Outcome(m >> 8), Lane: uint8(m >> 16), Flags: uint8(m >> 24),
			N: int(m >> 32 & maxCount), Done: int(m >> 48),
			Begin: int64(l.word(i, 0).Load()), Stop: int64(l.word(i, 1).Load()),
			Key: Key(l.word(i, 2).Load()),
		})
	}
	return ops
}
