package futex

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// ErrTimeout says that the deadline of a wait passed.
var ErrTimeout = errors.New("futex: deadline passed")

// A Word is one of several words to sleep on, with the value it is expected to have.
type Word struct {
	W   *atomic.Uint32
	Val uint32
}

// MaxWords is how many words WaitAny takes: the kernel's limit.
const MaxWords = 128

// vectored says whether futex_waitv works here.
var vectored atomic.Int32

const (
	vectorUnknown int32 = iota
	vectorYes
	vectorNo
)

// Vectored reports whether WaitAny uses futex_waitv, after its first use, and true
// before it.
func Vectored() bool { return vectored.Load() != vectorNo }

// WaitAny sleeps until one of the words changes or is woken, or the deadline passes.
// It returns the index of a word to look at, or -1 if it does not know which; like
// Wait it may return for no reason. ErrTimeout says that the deadline passed. Where
// futex_waitv is missing, one goroutine for each word sleeps instead.
func WaitAny(words []Word, until Deadline) (int, error) {
	if len(words) == 0 || len(words) > MaxWords {
		return -1, fmt.Errorf("futex: cannot wait on %d words, want 1 to %d", len(words), MaxWords)
	}
	if vectored.Load() != vectorNo {
		i, err := waitVector(words, until)
		if !missing(err) {
			vectored.CompareAndSwap(vectorUnknown, vectorYes)
			if err != nil && !errors.Is(err, ErrTimeout) {
				err = fmt.Errorf("futex wait on %d words: %w", len(words), err)
			}
			return i, err
		}
		vectored.Store(vectorNo)
	}
	return waitEach(words, until)
}

// changed returns the first word that no longer has its value, or -1: none has changed,
// or the memory of one is gone.
func changed(words []Word) int {
	first := -1
	faults(func() {
		first = slices.IndexFunc(words, func(w Word) bool {
			return w.W.Load() != w.Val // sync: seq
		})
	})
	return first
}

// waitEach sleeps on each word in a goroutine of its own. The first that ends before
// the deadline bumps the other words, which ends the others; sleepers elsewhere wake
// for nothing and check again. At the deadline all end by themselves.
func waitEach(words []Word, until Deadline) (int, error) {
	type result struct {
		index int
		err   error
	}
	results := make(chan result, len(words))
	for i, w := range words {
		go func() { results <- result{i, Wait(w.W, w.Val, until)} }()
	}
	first := <-results
	expired := errors.Is(first.err, ErrTimeout)
	if !expired {
		endOthers(words, first.index)
	}
	for range len(words) - 1 {
		if r := <-results; expired && r.err == nil {
			first, expired = r, false
		}
	}
	if first.err != nil {
		return -1, first.err
	}
	return first.index, nil
}

// endOthers ends the sleeps on all words but one. A word that changed is woken too:
// who changed it may have died before its wake.
func endOthers(words []Word, but int) {
	for i, w := range words {
		if i == but {
			continue
		}
		faults(func() { w.W.CompareAndSwap(w.Val, w.Val+1) }) // sync: seq
		WakeAll(w.W)
	}
}
