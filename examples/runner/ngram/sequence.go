package ngram

import (
	"hash/fnv"
	"math/rand/v2"
)

// A Sequence is a text in the making. It belongs to one goroutine.
type Sequence struct {
	model   *Model
	context Context
	random  rand.PCG
}

// Begin returns the sequence that goes on from a prompt. The seed, and nothing else, tells
// apart what comes of the same prompt.
func (m *Model) Begin(prompt string, seed uint64) *Sequence {
	s := &Sequence{model: m}
	for _, b := range []byte(prompt) {
		s.context = s.context.Push(b)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(prompt)) // a hash takes everything
	s.random.Seed(seed, h.Sum64())
	return s
}

// Next generates one byte.
func (s *Sequence) Next() byte {
	b := s.model.next(s.context, s.random.Uint64())
	s.context = s.context.Push(b)
	return b
}

// Generate returns n bytes at once: what a stream of the same prompt and seed must consist of.
func (m *Model) Generate(prompt string, seed uint64, n int) []byte {
	s := m.Begin(prompt, seed)
	text := make([]byte, n)
	for i := range text {
		text[i] = s.Next()
	}
	return text
}
