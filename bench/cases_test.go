package bench

import "testing"

// A benchCase is the body of a benchmark: figures and tests run the same.
type benchCase struct {
	name string
	body func(*run)
	few  uint64 // messages in a test; zero is some
}

type group []benchCase

func (g group) benchmark(b *testing.B) {
	b.Helper()
	for _, c := range g {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			c.body(&run{
				TB: b, n: uint64(b.N), start: b.ResetTimer, stop: b.StopTimer,
				metric: b.ReportMetric, bytes: b.SetBytes, wantLine: true,
			})
		})
	}
}
