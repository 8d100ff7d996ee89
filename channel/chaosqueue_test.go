//go:build linux

package channel_test

import (
	"fmt"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"

	"shmring/internal/history"
)

// A channel is linearizable to a FIFO queue with a seal: every call takes effect at one
// moment between its begin and its end, for all processes. Porcupine searches for such
// moments (Lowe, Testing for Linearizability, 2017). A call of somebody who was killed
// never ended, and has an effect at some moment after its begin, or none.

// A queueCall is what a call was asked, a queueAnswer what came of it.
type (
	queueCall struct {
		kind history.Kind
		key  history.Key
		rank int // of a message, in the order of delivery, from 1; 0: not delivered
	}
	queueAnswer uint8
)

const (
	answerYes   queueAnswer = iota
	answerNo                // refused: sealed
	answerMaybe             // killed
)

// A queueState is a queue: three bytes for each message, oldest first.
type queueState struct {
	sealed bool
	queue  string
	rank   int // of the last message that has one
}

func queueItem(k history.Key) string {
	return string([]byte{byte(k.Stream()), byte(k.Seq() >> 8), byte(k.Seq())})
}

// queueModel says what states a call may lead to.
var queueModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{queueState{}} },
	Step: func(state, input, output any) []any {
		//nolint:errcheck // what is no state of a queue is a mistake of this test
		s, call, answer := state.(queueState), input.(queueCall), output.(queueAnswer)
		next := s.after(call, answer)
		if answer == answerMaybe {
			next = append(next, s)
		}
		return next
	},
	Equal: func(a, b any) bool { return a == b },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v: %d", input, output)
	},
}

// after returns the states that the effect of a call leads to: none if it cannot be.
func (s queueState) after(call queueCall, answer queueAnswer) []any {
	const width = 3
	switch call.kind {
	case history.Send:
		if s.sealed != (answer == answerNo) {
			return nil
		}
		if s.sealed {
			break
		}
		if call.rank > 0 && call.rank <= s.rank {
			return nil // it would come in another order than it did: known already
		}
		s.queue, s.rank = s.queue+queueItem(call.key), max(s.rank, call.rank)
	case history.Recv, history.Take:
		if len(s.queue) == 0 {
			return nil
		}
		if answer == answerYes && s.queue[:width] != queueItem(call.key) {
			return nil
		}
		s.queue = s.queue[width:]
	case history.Seal:
		s.sealed = true
	case history.End:
		if !s.sealed || s.queue != "" {
			return nil
		}
	case history.Abort, history.Leave:
	}
	return []any{s}
}

// queueHistory turns what processes wrote down into calls of a queue.
func queueHistory(run *history.Run) []porcupine.Operation {
	var calls []porcupine.Operation
	client := 0
	add := func(call queueCall, answer queueAnswer, begin, stop int64) {
		if answer == answerMaybe {
			stop = math.MaxInt64
		}
		calls = append(calls, porcupine.Operation{
			ClientId: client, Input: call, Output: answer, Call: begin, Return: stop,
		})
	}
	for _, ops := range slices.Concat(run.Senders, run.Closers) {
		client++
		for _, op := range ops {
			for n := range op.N {
				call := queueCall{kind: history.Send, key: op.Key + history.Key(n)}
				switch {
				case op.Kind != history.Send || op.Has(history.Short):
				case op.Outcome == history.Pending:
					add(call, answerMaybe, op.Begin, op.Stop)
				case n < op.Done:
					add(call, answerYes, op.Begin, op.Stop)
				case op.Outcome == history.Refused:
					add(call, answerNo, op.Begin, op.Stop)
				}
			}
			switch {
			case op.Kind != history.Seal:
			case op.Outcome == history.OK:
				add(queueCall{kind: history.Seal}, answerYes, op.Begin, op.Stop)
			case op.Outcome == history.Pending:
				add(queueCall{kind: history.Seal}, answerMaybe, op.Begin, op.Stop)
			}
		}
	}
	seen := make(map[history.Key]bool)
	for _, ops := range run.Receivers {
		client++
		free := int64(math.MinInt64) // since when the receiver does nothing else
		for _, op := range ops {
			begin := min(op.Begin, free)
			if free == math.MinInt64 {
				begin = 0
			}
			switch {
			case op.Kind == history.Take && op.Outcome == history.Pending:
				add(queueCall{kind: op.Kind}, answerMaybe, op.Begin, op.Stop)
			case op.Outcome != history.OK || op.Has(history.Short):
			case op.Kind == history.End:
				add(queueCall{kind: op.Kind}, answerYes, begin, op.Stop)
			case op.Kind != history.Recv && op.Kind != history.Take:
			case !seen[op.Key]: // again after a death: it was taken once
				seen[op.Key] = true
				add(queueCall{kind: op.Kind, key: op.Key}, answerYes, begin, op.Stop)
			}
			free = op.Stop
		}
	}
	return calls
}
