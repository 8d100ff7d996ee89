package history

import "fmt"

// A Verdict is what a check found. All but the first five must be zero.
type Verdict struct {
	Messages    int // delivered for the first time, and verified
	Redelivered int // delivered again after a death, and marked so
	Maybe       int // begun by somebody who was killed, and not delivered
	Short       int // delivered, too short for an identity: counted only
	Discarded   int // accepted, and given up by a forced close

	Lost       int // accepted, and not delivered although a receiver lived to the end
	Duplicated int // delivered again to the same receiver, or unmarked, or after a Take
	Misordered int // against the sender's order, or against real time
	Torn       int // bytes that nobody sent
	Phantom    int // never sent, aborted, or delivered before it was sent
	Unsealed   int // refused and delivered, or accepted or delivered after the end

	Problems []string // the first ones, in words
}

// Wrong returns how many violations there are.
func (v *Verdict) Wrong() int {
	return v.Lost + v.Duplicated + v.Misordered + v.Torn + v.Phantom + v.Unsealed
}

// Add adds what another check found.
func (v *Verdict) Add(o Verdict) {
	v.Messages += o.Messages
	v.Redelivered += o.Redelivered
	v.Maybe += o.Maybe
	v.Short += o.Short
	v.Discarded += o.Discarded
	v.Lost += o.Lost
	v.Duplicated += o.Duplicated
	v.Misordered += o.Misordered
	v.Torn += o.Torn
	v.Phantom += o.Phantom
	v.Unsealed += o.Unsealed
	v.Problems = append(v.Problems, o.Problems...)
}

// maxProblems is how many violations are told in words.
const maxProblems = 20

// found counts a violation and tells it.
func (v *Verdict) found(count *int, format string, args ...any) {
	*count++
	if len(v.Problems) < maxProblems {
		v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
	}
}
