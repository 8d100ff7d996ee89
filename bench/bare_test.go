package bench

import (
	"os"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"shmring/futex"
	"shmring/internal/layout"
)

func BenchmarkBare(b *testing.B) { bares().benchmark(b) }

// bares are the means that a channel is built of and those that it replaces. They
// promise nothing: no bound, no order of many, no end, no survival of a kill.
func bares() group {
	g := group{
		{name: "spin/two-words", body: bareWords("bare-spin", spinTrip)},
		{name: "park/futex", body: bareWords("bare-futex", futexTrip)},
		{name: "park/pipe-32B", body: bareFD(pipes)},
		{name: "park/unix-socket-32B", body: bareFD(sockets)},
		{name: "park/tcp-loopback-32B", body: bareFD(tcp)},
		{name: "stream/pipe-32B", body: bareStream(pipes)},
		{name: "stream/unix-socket-32B", body: bareStream(sockets)},
		{name: "stream/tcp-loopback-32B", body: bareStream(tcp)},
		{name: "harness/fill-and-check-32B", body: bareHarness},
	}
	for _, size := range copySizes {
		g = append(g, benchCase{"memcpy/" + sizeName(size), barePipeline(size), fewOf(size)})
	}
	return g
}

// firstFD is where a peer finds the first file that it was given.
const firstFD = 3

// shared makes anonymous memory and maps it. It is gone with its last process.
func (r *run) shared(size int) ([]byte, *os.File) {
	r.Helper()
	fd, err := unix.MemfdCreate("shmring-bench", unix.MFD_CLOEXEC)
	r.check(err)
	f := os.NewFile(uintptr(fd), "shmring-bench")
	r.Cleanup(func() { r.check(f.Close()) })
	r.check(f.Truncate(int64(size)))
	mem, err := mapShared(fd, size)
	r.check(err)
	r.Cleanup(func() { r.check(unix.Munmap(mem)) })
	return mem, f
}

func mapShared(fd, size int) ([]byte, error) {
	const flags = unix.MAP_SHARED | unix.MAP_POPULATE
	return unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, flags)
}

// words are one word for each direction, each alone on its line.
type words struct {
	there, back *atomic.Uint32
	calls       uint64 // of the kernel, by this side
}

const wordsBytes = 4096

func wordsIn(mem []byte) *words {
	return &words{
		there: (*atomic.Uint32)(unsafe.Pointer(&mem[0])),
		back:  (*atomic.Uint32)(unsafe.Pointer(&mem[layout.Line])),
	}
}

// spinTrip stores n+1 and looks until it is answered.
func spinTrip(w *words, n uint64) error {
	w.there.Store(uint32(n + 1))
	for w.back.Load() != uint32(n+1) { // looking is all
	}
	return nil
}

// spinAnswer answers spinTrip.
func spinAnswer(w *words, n uint64) error {
	for w.there.Load() != uint32(n+1) { // looking is all
	}
	w.back.Store(uint32(n + 1))
	return nil
}

// bareSpinPeer answers spinTrip all the time.
func bareSpinPeer(p *peer) error { return p.serveWords(spinAnswer) }

// futexTrip stores n+1, wakes the other side and sleeps until it is answered.
func futexTrip(w *words, n uint64) error {
	w.there.Store(uint32(n + 1))
	w.wake(w.there)
	return w.sleep(w.back, uint32(n+1))
}

// bareFutexPeer answers futexTrip.
func bareFutexPeer(p *peer) error {
	return p.serveWords(func(w *words, n uint64) error {
		if err := w.sleep(w.there, uint32(n+1)); err != nil {
			return err
		}
		w.back.Store(uint32(n + 1))
		w.wake(w.back)
		return nil
	})
}

func (w *words) wake(word *atomic.Uint32) {
	w.calls++
	futex.Wake(word, 1)
}

func (w *words) sleep(word *atomic.Uint32, want uint32) error {
	for word.Load() != want {
		w.calls++
		if err := futex.Wait(word, want-1, futex.Never); err != nil {
			return err
		}
	}
	return nil
}

func (w *words) syscalls() uint64 { return w.calls }

// serveWords serves round trips over two words.
func (p *peer) serveWords(trip func(w *words, n uint64) error) error {
	mem, err := mapShared(firstFD, wordsBytes)
	if err != nil {
		return err
	}
	w := wordsIn(mem)
	return p.serve(each(func(n uint64) error { return trip(w, n) }), w.syscalls)
}

// bareWords makes round trips over two words.
func bareWords(peer string, trip func(w *words, n uint64) error) func(*run) {
	return func(r *run) {
		if peer == "bare-spin" {
			r.needTwoCores()
		}
		r.begin()
		mem, f := r.shared(wordsBytes)
		w := wordsIn(mem)
		r.peer(job{Kind: peer}, f)
		there := func(n uint64) error { return trip(w, n) }
		r.exchange(r.warmTrips(), each(there), w.syscalls, newTripTimes(r, there))
		r.end()
	}
}

// bareHarness is what the harness itself costs for each message: one fill, one check.
func bareHarness(r *run) {
	buf := make([]byte, smallSize)
	r.start()
	for n := range r.n {
		fill32(buf, n)
		if !check32(buf, n) {
			r.Fatal(wrong(buf, n))
		}
	}
	r.stop()
}
