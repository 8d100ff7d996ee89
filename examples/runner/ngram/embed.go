package ngram

import "math"

// DefaultDimensions is the length of an embedding if nobody chooses another.
const DefaultDimensions = 1024

// Embed fills dst with an embedding of the text: how often each of its trigrams of bytes
// occurs, hashed into as many counters as dst has, normalised to length 1. That is an old
// and honest measure of likeness, and deterministic. An empty text gives zeros.
func Embed(dst []float32, text string) {
	clear(dst)
	var gram uint32
	for i, b := range []byte(text) {
		gram = (gram<<8 | uint32(b)) & 0xffffff
		if i < 2 && len(text) > 2 {
			continue
		}
		h := gram * 2654435761 // Knuth's multiplicative hash
		sign := float32(1) - float32(h&1)*2
		dst[(h>>1)%uint32(len(dst))] += sign
	}
	var sum float64
	for _, x := range dst {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range dst {
		dst[i] *= scale
	}
}
