//go:build fault

package ring

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/internal/evidence"
	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

// FuzzMutateDuring lets the fuzzer change words between any two accesses of a call: what was
// checked and is read again is another word by then.
func FuzzMutateDuring(f *testing.F) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for i := range byte(3 * len(shapes)) {
		flips, calls := make([]byte, 120), make([]byte, 80)
		for j := range flips {
			flips[j] = byte(rnd.Uint32())
		}
		for j := range calls {
			calls[j] = byte(rnd.Uint32())
		}
		f.Add(i, flips, calls)
	}
	f.Fuzz(func(t *testing.T, shape byte, flips, calls []byte) {
		if len(calls) > 1<<11 {
			return
		}
		shmtest.Bounded(t, time.Minute, 32<<20, func() {
			p := shapes[int(shape)%len(shapes)]
			at := starts(p)
			x, err := newVictim(p, at[int(shape>>4)%len(at)])
			require.NoError(t, err)
			words := x.ruling()
			m := &script{flips}
			fault.SetHook(func(string) {
				if len(m.b) > 2 && m.below(2) == 0 {
					w := words[m.below(len(words))]
					w.Store(wrongs(x, w.Load(), rnd)[m.below(21)])
				}
			})
			defer fault.SetHook(nil)
			for s := (&script{calls}); len(s.b) > 0; {
				require.NoError(t, x.step(s.below))
			}
		})
	})
}

// Every call, with one word made wrong at one of its points: all calls, points and words,
// with every wrong value.
func TestEveryWordMayChangeBetweenAnyTwoAccesses(t *testing.T) {
	started := time.Now()
	rnd, seed := shmtest.Rand(t)
	rounds := evidence.Size(t, "mutaterounds", 1)
	var flips, steps int64
	for range rounds {
		for _, p := range []layout.Params{
			params(2, 16, 0), params(4, 32, 4096), stamped(4, 64, 4096),
		} {
			for call := range byte(13) {
				f, s := mutateEvery(t, p, call, rnd)
				flips, steps = flips+f, steps+s
			}
		}
	}
	evidence.Write(t, started, evidence.Record{
		Name: "doublefetch", Title: "a word changes between any two accesses of a call",
		Guarantees: []string{"G14"}, Seed: seed,
		Counts: map[string]int64{
			"rounds": int64(rounds), "flips": flips, "calls": steps, "panics": 0, "untyped": 0,
		},
	})
}

// mutateEvery runs one call again and again, each time with another word made wrong at
// another of its points, until a run passes no such point.
func mutateEvery(t *testing.T, p layout.Params, call byte, rnd *rand.Rand) (flips, steps int64) {
	t.Helper()
	const wrong = 21
	size, args := make([]byte, 2, 16), make([]byte, 8)
	binary.LittleEndian.PutUint64(args, rnd.Uint64())
	life := [...]int{rnd.IntN(20), rnd.IntN(1 << 30)}
	for point := 0; ; point++ {
		hit := false
		for choice := 0; ; choice++ {
			x, err := newVictim(p, start{})
			require.NoError(t, err)
			past := rand.New(rand.NewPCG(uint64(life[1]), 1))
			for range life[0] {
				require.NoError(t, x.step(past.IntN))
			}
			words := x.ruling()
			if choice == len(words)*wrong {
				break
			}
			seen := 0
			fault.SetHook(func(string) {
				if seen == point {
					hit = true
					flips++
					w := words[choice/wrong]
					w.Store(wrongs(x, w.Load(), rnd)[choice%wrong])
				}
				seen++
			})
			s := &script{append(size[:sizeBytes(x)], append([]byte{call}, args...)...)}
			err = x.step(s.below)
			fault.SetHook(nil)
			require.NoError(t, err, "call %d, point %d, choice %d", call, point, choice)
			for range 20 {
				require.NoError(t, x.step(rnd.IntN))
				steps++
			}
			if !hit {
				return flips, steps
			}
		}
	}
}

// sizeBytes is how much of a script the size of a message takes, which comes before the
// call.
func sizeBytes(x *victim) int {
	if x.v.MaxMessage()+2 > 256 {
		return 2
	}
	return 1
}
