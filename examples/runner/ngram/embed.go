package ngram

import (
	"math"
	"slices"
)

// DefaultDimensions is the length of an embedding if nobody chooses another.
const DefaultDimensions = 1024

// Embed fills dst with an embedding of the text: how often each of its trigrams of bytes
// occurs, hashed into as many counters as dst has, normalised to length 1. That is an old
// and honest measure of likeness, and deterministic. An empty text gives zeros.
func Embed(dst []float32, text string) {
	clear(dst)
	hits := make([]uint32, 0, len(text)) // the counters that are not zero: few, where dst is long
	var gram uint32
	for i, b := range []byte(text) {
		gram = (gram<<8 | uint32(b)) & 0xffffff
		if i < 2 && len(text) > 2 {
			continue
		}
		h := gram * 2654435761 // Knuth's multiplicative hash
		sign := float32(1) - float32(h&1)*2
		hit := (h >> 1) % uint32(len(dst))
		dst[hit] += sign
		hits = append(hits, hit)
	}
	slices.Sort(hits)
	hits = slices.Compact(hits)
	var sum float64
	for _, i := range hits {
		sum += float64(dst[i]) * float64(dst[i])
	}
	if sum == 0 {
		return
	}
	scale := float32(1 / math.Sqrt(sum))
	for _, i := range hits {
		dst[i] *= scale
	}
}
