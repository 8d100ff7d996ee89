package shm

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMemoryIsThatOfACgroupOrOfNone(t *testing.T) {
	free, where, ok := Memory()
	if !ok {
		assert.Zero(t, free)
		assert.Empty(t, where)
		return
	}
	assert.Contains(t, where, "memory cgroup /")
}
