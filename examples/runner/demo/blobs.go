package demo

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"shmring/examples/runner/ngram"
)

const (
	blobBytes = 32 << 20
	blobText  = "an embedding much longer than anybody needs"
)

// blobs compares the time between tokens without and with large embeddings beside them.
func blobs(ctx context.Context, s *stage) []outcome {
	seconds := 10
	if s.short {
		seconds = 4
	}
	_, err := s.server(ctx, "-max-dimensions", fmt.Sprint(blobBytes/4))
	if err != nil {
		if strings.Contains(err.Error(), "not enough shared memory") {
			return []outcome{{verdict: skip, text: err.Error()}}
		}
		return []outcome{failed(err)}
	}
	want := make([]float32, blobBytes/4)
	ngram.Embed(want, blobText)
	tokens := seconds * int(time.Second/step)
	s.begin(ctx, streams, 10).end()
	alone, err := s.timed(s.begin(ctx, streams, tokens))
	if err != nil {
		return []outcome{failed(err)}
	}
	beside := s.begin(ctx, streams, tokens)
	var took spread
	for range seconds {
		began := time.Now()
		b, err := s.process.Embed(ctx, blobText, len(want))
		if err != nil {
			return []outcome{failed(err)}
		}
		took = append(took, time.Since(began))
		if err := equal(b, want); err != nil {
			return []outcome{failed(err)}
		}
		if err := pause(ctx, time.Until(began.Add(time.Second))); err != nil {
			return []outcome{failed(err)}
		}
	}
	with, err := s.timed(beside)
	if err != nil {
		return []outcome{failed(err)}
	}
	slices.Sort(took)
	ratio := float64(with.at(0.99)) / float64(alone.at(0.99))
	return []outcome{check(true,
		"between tokens p99 %v beside %d blobs, %v without: %.2f times; a blob, to the client: "+
			"%v", round(with.at(0.99)), seconds, round(alone.at(0.99)), ratio, took).
		intime(ratio <= 2)}
}

// timed waits for streams, which must be whole, and returns the times between their tokens.
func (s *stage) timed(b *batch) (spread, error) {
	if _, err := b.whole(); err != nil {
		return nil, err
	}
	return gaps(b.results), nil
}

// equal compares an embedding with the one that was computed here.
func equal(b []byte, want []float32) error {
	if len(b) != 4*len(want) {
		return fmt.Errorf("a blob of %d bytes, want %d", len(b), 4*len(want))
	}
	for i, w := range want {
		if got := binary.LittleEndian.Uint32(b[4*i:]); got != math.Float32bits(w) {
			return fmt.Errorf("number %d of a blob is %v, want %v", i, math.Float32frombits(got), w)
		}
	}
	return nil
}
