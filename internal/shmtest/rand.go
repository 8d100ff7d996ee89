package shmtest

import (
	"bytes"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// EnvSeed gives random tests their seed.
const EnvSeed = "SHMRING_SEED"

// Rand returns a source of random numbers whose seed is printed if the test fails, and
// taken from SHMRING_SEED if that is set.
func Rand(t testing.TB) (*rand.Rand, uint64) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(EnvSeed); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with %s=%d", EnvSeed, seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0)), seed
}

// Yield lets others run, in this process and on this machine.
func Yield() {
	runtime.Gosched()
	yieldProcessor()
}

// Running reports whether the child is still there: it asks without waiting.
func (c *Child) Running() bool {
	s := c.state()
	return s != 0 && s != 'Z'
}

// Stopped reports whether a signal has stopped the child by now.
func (c *Child) Stopped() bool { return c.state() == 'T' }

// state returns the letter of ps for the child's state, 0 for none.
func (c *Child) state() byte {
	if c.waited {
		return 0
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(c.PID()) + "/stat")
	if err != nil {
		return 0
	}
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 || len(stat) < end+3 {
		return 0
	}
	return stat[end+2]
}
