//go:build linux

package channel_test

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/history"
	"shmring/internal/shmtest"
)

// linearPlan is a plan whose history is short enough for a search, and slow enough for
// kills to fall into it.
func linearPlan(seed uint64) chaosPlan {
	p := newChaosPlan(seed, 100)
	p.Lanes, p.Senders = 1, 2+int(seed%2)
	p.Options.Kind = channel.MPSC
	p.Quota = 100 / p.Senders
	p.Ending, p.Early = endSeal, true
	p.Work.Batch, p.Work.Pace = 3, 400*time.Microsecond
	p.Work.Receiver = []string{"recv", "append", "messages"}[seed%3]
	for i := range p.Steps {
		if p.Steps[i].Act == actRollback { // the queue has no word for it
			p.Steps[i].Act = actKill
		}
	}
	if !slices.ContainsFunc(p.Steps, func(s chaosStep) bool { return s.Act == actClose }) {
		p.Steps = append(p.Steps, chaosStep{Act: actClose, Also: -1})
	}
	return p
}

// searchTime ends a search that finds no order and no proof that there is none.
const searchTime = time.Minute

func linearizable(calls []porcupine.Operation) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(queueModel.ToModel(), ranked(calls), searchTime)
}

// ranked makes the search short without changing its result. A queue's messages leave as
// they came, so the order in which they were delivered is the one in which they were sent:
// each gets its rank in it. And a message of a killed sender that was never delivered need
// never have been sent.
func ranked(calls []porcupine.Operation) []porcupine.Operation {
	calls = slices.Clone(calls)
	slices.SortStableFunc(calls, func(a, b porcupine.Operation) int {
		return cmp.Compare(a.Return, b.Return)
	})
	ranks := make(map[history.Key]int)
	for _, op := range calls {
		call, _ := op.Input.(queueCall)
		if (call.kind == history.Recv || call.kind == history.Take) && op.Output == answerYes {
			ranks[call.key] = len(ranks) + 1
		}
	}
	kept := calls[:0]
	for _, op := range calls {
		call, _ := op.Input.(queueCall)
		call.rank = ranks[call.key]
		if call.kind == history.Send && op.Output == answerMaybe && call.rank == 0 {
			continue
		}
		op.Input = call
		kept = append(kept, op)
	}
	return kept
}

// TestHistoriesOfProcessesAreLinearizable records what processes did that send, receive,
// seal and are killed, and searches an order in which a queue would have done the same.
func TestHistoriesOfProcessesAreLinearizable(t *testing.T) {
	channel.NoSlices()
	dir := shmtest.Dir(t)
	want := evidence.Size(t, "histories", 20)
	started := time.Now()
	_, seed := shmtest.Rand(t)
	first := seed
	var counts chaosCounts
	calls, maybe := 0, 0
	for ; seed < first+uint64(want); seed++ {
		runs, done := runChaos(t, dir, linearPlan(seed))
		verdict := history.Check(runs[0])
		require.Zero(t, verdict.Wrong(), "seed %d: %v", seed, verdict.Problems)
		ops := queueHistory(runs[0])
		require.Equal(t, porcupine.Ok, linearizable(ops), "seed %d: %+v", seed, linearPlan(seed))
		calls += len(ops)
		for _, op := range ops {
			if op.Output == answerMaybe {
				maybe++
			}
		}
		counts.add(done)
	}
	t.Logf("%d histories of %d calls, %d of them maybe, %d kills, %v", want, calls, maybe,
		counts.kills, time.Since(started))
	evidence.Write(t, started, evidence.Record{
		Name:       "histories",
		Title:      "histories of processes, searched for an order in which a queue did the same",
		Guarantees: []string{"G1", "G3", "G4", "G5"},
		Seed:       first,
		Counts: map[string]int64{
			"histories": int64(want), "calls": int64(calls), "maybe": int64(maybe),
			"kills": int64(counts.kills), "stops": int64(counts.stops), "not linearizable": 0,
		},
	})
}

// TestBadHistoriesAreNotLinearizable plants what must be found.
func TestBadHistoriesAreNotLinearizable(t *testing.T) {
	op := func(kind history.Kind, seq int, answer queueAnswer, at, end int64) porcupine.Operation {
		return porcupine.Operation{
			Input:  queueCall{kind: kind, key: history.MakeKey(1, seq)},
			Output: answer, Call: at, Return: end,
		}
	}
	good := []porcupine.Operation{
		op(history.Send, 0, answerYes, 0, 10),
		op(history.Send, 1, answerYes, 5, 15), // beside the first
		op(history.Send, 2, answerMaybe, 16, math.MaxInt64),
		op(history.Recv, 1, answerYes, 1, 20),
		op(history.Take, 0, answerYes, 21, 30),
		op(history.Seal, 0, answerYes, 30, 40),
		op(history.Send, 3, answerNo, 35, 45),
		op(history.Recv, 2, answerYes, 50, 60),
		op(history.End, 0, answerYes, 61, 70),
	}
	require.Equal(t, porcupine.Ok, linearizable(good))
	without := func(from, to int) func(h []porcupine.Operation) []porcupine.Operation {
		return func(h []porcupine.Operation) []porcupine.Operation {
			return slices.Delete(h, from, to)
		}
	}
	for name, plant := range map[string]func(h []porcupine.Operation) []porcupine.Operation{
		"lost":               without(4, 5),
		"never sent":         without(1, 2),
		"end without a seal": without(5, 7),
		"twice": func(h []porcupine.Operation) []porcupine.Operation {
			return append(h, op(history.Recv, 0, answerYes, 46, 49))
		},
		"order": func(h []porcupine.Operation) []porcupine.Operation {
			h[1].Call, h[1].Return, h[3].Return = 11, 15, 18 // now the first was before it
			return h
		},
		"accepted after the seal": func(h []porcupine.Operation) []porcupine.Operation {
			h[2].Call = 41
			return h
		},
		"refused before the seal": func(h []porcupine.Operation) []porcupine.Operation {
			h[6].Call, h[6].Return = 20, 25
			return h
		},
		"end before the data": func(h []porcupine.Operation) []porcupine.Operation {
			h[8].Call, h[8].Return = 41, 49
			return h
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, porcupine.Illegal, linearizable(plant(slices.Clone(good))))
		})
	}
}
