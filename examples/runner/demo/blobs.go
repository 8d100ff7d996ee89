package demo

import (
	"bytes"
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
	want := expected()
	tokens := seconds * int(time.Second/step)
	s.begin(ctx, streams, 10).end()
	alone, err := s.timed(s.begin(ctx, streams, tokens))
	if err != nil {
		return []outcome{failed(err)}
	}
	beside := s.begin(ctx, streams, tokens)
	var took spread
	for i := range seconds {
		began := time.Now()
		b, err := s.process.Embed(ctx, blobText, blobBytes/4)
		if err != nil {
			return []outcome{failed(err)}
		}
		took = append(took, time.Since(began))
		if !bytes.Equal(b, want) {
			return []outcome{check(false, "blob %d differs from what is computed in process", i)}
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

// expected returns the embedding as the runner must send it.
func expected() []byte {
	v := make([]float32, blobBytes/4)
	ngram.Embed(v, blobText)
	b := make([]byte, 0, blobBytes)
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
