package history

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// healthy is a run in which everything happens that may: two senders, one of them killed
// in a batch and succeeded, refusals after a seal, an abort, and two receivers of which the
// first was killed in a Take, with messages in hand.
func healthy() *Run {
	send := func(stream, seq, n, done int, out Outcome, begin, stop int64) Op {
		return Op{
			Kind: Send, Outcome: out, Key: MakeKey(stream, seq), N: n, Done: done,
			Begin: begin, Stop: stop,
		}
	}
	recv := func(kind Kind, flags uint8, stream, seq int, at int64) Op {
		return Op{
			Kind: kind, Outcome: OK, Flags: flags, Key: MakeKey(stream, seq), N: 1,
			Begin: at, Stop: at + 1,
		}
	}
	return &Run{
		Senders: [][]Op{
			{
				send(1, 0, 1, 1, OK, 10, 20),
				send(1, 1, 3, 2, Failed, 30, 40), // 3 was not accepted
				{Kind: Abort, Outcome: OK, Key: MakeKey(1, 4), N: 1, Begin: 41, Stop: 42},
				send(1, 5, 1, 1, OK, 50, 60),
				send(1, 6, 1, 0, Refused, 95, 99),
			},
			{
				send(2, 0, 1, 1, OK, 15, 25),
				{Kind: Send, Key: MakeKey(2, 1), N: 4, Begin: 26}, // killed
			},
			{
				send(3, 0, 1, 1, OK, 70, 75),
				{Kind: Send, Outcome: OK, Flags: Short, N: 1, Done: 1, Begin: 76, Stop: 77},
			},
		},
		Receivers: [][]Op{
			{
				recv(Recv, 0, 1, 0, 21),
				recv(Take, 0, 2, 0, 26),
				recv(Recv, 0, 1, 1, 45),
				{Kind: Take, Begin: 46}, // killed: it may have taken 1/2 with it
			},
			{
				recv(Recv, Again, 1, 1, 100),
				recv(Recv, 0, 2, 2, 101), // of the killed batch, one came
				recv(Recv, 0, 1, 5, 102),
				recv(Take, 0, 3, 0, 103),
				{Kind: Recv, Outcome: OK, Flags: Short, N: 1, Begin: 104, Stop: 105},
				{Kind: End, Outcome: OK, Begin: 106, Stop: 107},
				{Kind: Leave, Outcome: OK, Begin: 108, Stop: 109},
			},
		},
		Closers: [][]Op{{{Kind: Seal, Outcome: OK, Begin: 80, Stop: 90}}},
		Ended:   true,
	}
}

func TestRunWithEverythingAllowedPasses(t *testing.T) {
	v := Check(healthy())
	assert.Zero(t, v.Wrong(), "%v", v.Problems)
	assert.Equal(t, Verdict{Messages: 6, Redelivered: 1, Maybe: 3, Short: 1}, v)
}

// TestPlantedViolationsAreFound breaks the healthy run in one place each.
func TestPlantedViolationsAreFound(t *testing.T) {
	type hit = func(v *Verdict) *int
	lost := func(v *Verdict) *int { return &v.Lost }
	doubled := func(v *Verdict) *int { return &v.Duplicated }
	order := func(v *Verdict) *int { return &v.Misordered }
	torn := func(v *Verdict) *int { return &v.Torn }
	phantom := func(v *Verdict) *int { return &v.Phantom }
	unsealed := func(v *Verdict) *int { return &v.Unsealed }
	second := func(r *Run) *[]Op { return &r.Receivers[1] }
	insert := func(at int, op Op) func(r *Run) {
		return func(r *Run) { *second(r) = slices.Insert(*second(r), at, op) }
	}
	remove := func(at int) func(r *Run) {
		return func(r *Run) { *second(r) = slices.Delete(*second(r), at, at+1) }
	}
	short := Op{Kind: Recv, Outcome: OK, Flags: Short, N: 1}
	got := func(stream, seq int, flags uint8) Op {
		return Op{
			Kind: Recv, Outcome: OK, Flags: flags, Key: MakeKey(stream, seq), N: 1,
			Begin: 102, Stop: 103,
		}
	}
	for name, c := range map[string]struct {
		plant func(r *Run)
		hit   hit
	}{
		"accepted and missing": {remove(3), lost},
		"missing without an open take": {func(r *Run) {
			r.Receivers[0] = r.Receivers[0][:3]
		}, lost},
		"a short one missing":   {remove(4), lost},
		"twice to one receiver": {insert(3, got(1, 5, Again)), doubled},
		"again, unmarked":       {func(r *Run) { (*second(r))[0].Flags = 0 }, doubled},
		"again after a take":    {insert(0, got(2, 0, Again)), doubled},
		"again after its receiver had left": {func(r *Run) {
			r.Receivers[0] = append(r.Receivers[0], Op{Kind: Leave, Outcome: OK})
		}, doubled},
		"against the sender's order": {func(r *Run) {
			ops := *second(r)
			ops[0], ops[2] = ops[2], ops[0]
		}, order},
		"against real time": {func(r *Run) {
			ops := *second(r)
			ops[2], ops[3] = ops[3], ops[2]
		}, order},
		"torn":       {func(r *Run) { (*second(r))[2].Flags = Torn }, torn},
		"never sent": {insert(2, got(1, 77, 0)), phantom},
		"of nobody":  {insert(2, got(9, 0, 0)), phantom},
		"aborted":    {insert(2, got(1, 4, 0)), phantom},
		"before it was sent": {func(r *Run) {
			r.Senders[2][0].Begin, r.Senders[2][0].Stop = 110, 120
			r.Closers, (*second(r))[5].Stop = nil, 130
		}, phantom},
		"too many short ones":         {insert(4, short), phantom},
		"more discarded than missing": {func(r *Run) { r.Counted = 20 }, phantom},
		"refused and delivered":       {insert(4, got(1, 6, 0)), unsealed},
		"not accepted and delivered":  {insert(1, got(1, 3, 0)), unsealed},
		"accepted after the seal": {func(r *Run) {
			r.Senders[2][0].Begin, r.Senders[2][0].Stop = 95, 96
		}, unsealed},
		"accepted after the end": {func(r *Run) {
			r.Closers, (*second(r))[5].Stop = nil, 65
		}, unsealed},
		"delivered after the end": {func(r *Run) {
			ops := *second(r)
			ops[3], ops[5] = ops[5], ops[3]
		}, unsealed},
	} {
		t.Run(name, func(t *testing.T) {
			run := healthy()
			c.plant(run)
			v := Check(run)
			require.NotZero(t, *c.hit(&v), "%+v", v)
			assert.NotEmpty(t, v.Problems)
			if v.Torn == 0 { // what is torn did not come
				assert.Equal(t, v.Wrong(), *c.hit(&v), "nothing else: %v", v.Problems)
			}
		})
	}
}

func TestForcedCloseMayDiscardWhatItCounts(t *testing.T) {
	run := healthy()
	run.Receivers[1] = append(run.Receivers[1][:2:2], Op{Kind: End, Outcome: Refused})
	run.Discarded, run.Counted = 3, 3 // 1/5, 3/0 and the short one
	v := Check(run)
	assert.Zero(t, v.Wrong(), "%v", v.Problems)
	run.Discarded = 1
	v = Check(run)
	assert.Equal(t, 2, v.Lost, "of four; one was in the hands of a Take: %v", v.Problems)
}

func TestOtherLanesAreOthersBusiness(t *testing.T) {
	run := healthy()
	run.Lane = 1
	assert.Equal(t, Verdict{}, Check(run))
}

func TestVerdictsAdd(t *testing.T) {
	run := healthy()
	run.Senders[2][0].Done = 0
	v := Check(run)
	sum := v
	sum.Add(v)
	assert.Equal(t, 2*v.Messages, sum.Messages)
	assert.Equal(t, 2*v.Wrong(), sum.Wrong())
	assert.Len(t, sum.Problems, 2*len(v.Problems))
}
