package guard

import (
	"testing"
	"time"

	"shmring/internal/shmtest"
)

// children are the functions that a child of these tests may run, by name.
var children = map[string]shmtest.ChildFunc{}

func TestMain(m *testing.M) { shmtest.Main(m, children) }

// watchdog ends a test that hangs.
const watchdog = 5 * time.Minute

// size is that of the messages that all counts are about.
const size = 32
