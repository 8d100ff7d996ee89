//go:build race

package ring

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

// envPlanted makes TestPlantedBug run, in a process of its own.
const envPlanted = "SHMRING_TEST_PLANTED"

// planted are conversations over a ring in which one step is out of order, and one that is
// sound. What a goroutine does last, no later step of it orders.
var planted = map[string]func(p *Producer, c *Consumer, both func(send, recv func())){
	"sound": func(p *Producer, c *Consumer, both func(send, recv func())) {
		both(
			func() { _ = p.Send([]byte("12345678")) },
			func() { read(await(c).Bytes) })
	},
	"payload after commit": func(p *Producer, c *Consumer, both func(send, recv func())) {
		both(
			func() {
				buf, _ := p.Reserve(8)
				_ = p.Commit(8)
				copy(buf, "12345678")
			},
			func() { read(await(c).Bytes) })
	},
	"read after release": func(p *Producer, c *Consumer, both func(send, recv func())) {
		both(
			func() {
				for range 2 {
					for p.Send([]byte("12345678")) != nil {
						shmtest.Yield()
					}
				}
			},
			func() {
				it := await(c)
				c.Release(it.Pos)
				c.Flush()
				read(it.Bytes)
			})
	},
	"head beyond what is held": func(p *Producer, c *Consumer, both func(send, recv func())) {
		both(
			func() {
				for range 2 {
					for p.Send([]byte("12345678")) != nil {
						shmtest.Yield()
					}
				}
			},
			func() {
				it := await(c)
				c.head = c.next
				c.Publish()
				read(it.Bytes)
			})
	},
}

// await receives one message.
func await(c *Consumer) Item {
	var it Item
	for c.Next(&it) != nil {
		shmtest.Yield()
	}
	return it
}

// read looks at every byte of b.
func read(b []byte) byte {
	sum := byte(0)
	for _, x := range b {
		sum += x
	}
	return sum
}

// TestPlantedBug is run by TestDetectorSeesTheRing.
func TestPlantedBug(t *testing.T) {
	run := planted[os.Getenv(envPlanted)]
	if run == nil {
		t.Skip("for a process of its own")
	}
	shmtest.Watchdog(t, time.Minute)
	for range 20 {
		r, _ := newRing(t, params(1, 32, 0))
		p, c := r.NewProducer(2), newConsumer(t, r)
		run(p, c, func(send, recv func()) {
			var wg sync.WaitGroup
			wg.Go(send)
			wg.Go(recv)
			wg.Wait()
		})
	}
}

// TestDetectorSeesTheRing proves that a step out of order in a ring on the heap, which is
// where all tests of this package have theirs, is a data race to the detector.
func TestDetectorSeesTheRing(t *testing.T) {
	for name := range planted {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPlantedBug$")
			cmd.Env = append(os.Environ(), envPlanted+"="+name, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if name == "sound" {
				require.NoError(t, err, "%s", out)
				return
			}
			require.Error(t, err)
			require.Contains(t, string(out), "WARNING: DATA RACE")
		})
	}
}

// TestRingsOfTestsAreOnTheHeap: memory that is mapped would be out of the detector's sight.
func TestRingsOfTestsAreOnTheHeap(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range parsed.Imports {
			assert.NotContains(t, []string{
				`"shmring/shm"`, `"syscall"`, `"golang.org/x/sys/unix"`, `"github.com/edsrzf/mmap-go"`,
			}, spec.Path.Value, file)
		}
	}
}
