package shmtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keep is where a test puts what it allocates, for the compiler must not.
var keep []byte

func TestBoundedReportsWhatAllocatesTooMuch(t *testing.T) {
	r := &recorder{TB: t}
	Bounded(r, time.Minute, 1<<20, func() {})
	require.Empty(t, r.failed)
	Bounded(r, time.Minute, 1<<20, func() { keep = make([]byte, 1<<22) })
	require.Len(t, r.failed, 1)
	assert.Contains(t, r.failed[0], "want at most 1048576")
}
