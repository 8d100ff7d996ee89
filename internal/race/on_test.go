//go:build race

package race

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTokensOfAnInstanceAreOne(t *testing.T) {
	one := For([16]byte{1}, false)
	assert.Same(t, one.words, For([16]byte{1}, true).words)
	assert.NotSame(t, one.words, For([16]byte{2}, false).words)
}
