package bench

import (
	"fmt"
	"testing"
	"time"

	"shmring/channel"
)

// The workloads of inference runners, as deployments report them. Each varies one thing at a
// time around its centre: all combinations would take hours and say no more.

func BenchmarkW1TokenStream(b *testing.B) { tokenStreams().benchmark(b) }
func BenchmarkW2Requests(b *testing.B)    { requests().benchmark(b) }
func BenchmarkW3Broadcast(b *testing.B)   { broadcasts().benchmark(b) }
func BenchmarkW4Blobs(b *testing.B)       { blobs().benchmark(b) }
func BenchmarkW5Embeddings(b *testing.B)  { embeddings().benchmark(b) }
func BenchmarkW6Logits(b *testing.B)      { logits().benchmark(b) }
func BenchmarkW7Blocks(b *testing.B)      { blocks().benchmark(b) }
func BenchmarkW8Cancel(b *testing.B)      { cancelGroup().benchmark(b) }
func BenchmarkW9Audio(b *testing.B)       { audio().benchmark(b) }
func BenchmarkW10Idle(b *testing.B)       { idles().benchmark(b) }
func BenchmarkW11Death(b *testing.B)      { deaths().benchmark(b) }

// workloads are all of them, by the name of their benchmark.
func workloads() map[string]group {
	return map[string]group{
		"W1": tokenStreams(), "W2": requests(), "W3": broadcasts(), "W4": blobs(),
		"W5": embeddings(), "W6": logits(), "W7": blocks(), "W8": cancelGroup(), "W9": audio(),
		"W10": idles(), "W11": deaths(),
	}
}

// flowing is a case of a flow and of those beside it.
func flowing(name string, few uint64, fs ...flow) benchCase {
	return benchCase{name, func(r *run) { r.flows(fs...) }, few}
}

// every spells a rate as a name.
func every(d time.Duration) string { return "every-" + d.String() }

// waitName spells a way to wait.
func waitName(spin time.Duration) string {
	switch {
	case spin < 0:
		return "park"
	case spin > 0:
		return "spin"
	}
	return "adaptive"
}

// tokens is the centre of W1: one runner, 24 bytes, one by one.
func tokens() flow {
	return flow{name: "tokens", size: 24, batch: 1, every: 4 * time.Millisecond}
}

func tokenStreams() group {
	var g group
	add := func(f flow, what string) {
		pace := "flat-out"
		if f.every != 0 {
			pace = every(f.every)
		}
		g = append(g, flowing(pace+"/"+what, 32, f))
	}
	for _, d := range []time.Duration{1, 4, 30} {
		f := tokens()
		f.every = d * time.Millisecond
		add(f, "24B/batch-1/1-runner")
	}
	for _, spin := range []time.Duration{-1, spinAlways} {
		f := tokens()
		f.options.Spin = spin
		add(f, "24B/batch-1/1-runner/"+waitName(spin))
	}
	for _, size := range []int{64, 128} {
		f := tokens()
		f.size = size
		add(f, sizeName(size)+"/batch-1/1-runner")
	}
	for _, batch := range []int{8, 64, 256} {
		f := tokens()
		f.batch = batch
		add(f, fmt.Sprintf("24B/batch-%d/1-runner", batch))
	}
	for _, runners := range []int{2, 4, 8} {
		for _, kind := range []string{"spsc", "mpsc"} {
			f := tokens()
			f.senders, f.apart = runners, kind == "spsc"
			add(f, fmt.Sprintf("24B/batch-1/%d-runners-%s", runners, kind))
		}
	}
	for _, size := range []int{24, 64, 128} {
		for _, batch := range []int{1, 8, 64, 256} {
			f := flow{name: "tokens", size: size, batch: batch}
			add(f, fmt.Sprintf("%s/batch-%d/1-runner", sizeName(size), batch))
		}
	}
	for _, kind := range []string{"spsc", "mpsc"} {
		f := flow{name: "tokens", size: 24, batch: 8, senders: 8, apart: kind == "spsc"}
		add(f, "24B/batch-8/8-runners-"+kind)
	}
	return g
}

func requests() group {
	var g group
	for _, size := range []int{2 * kib, 16 * kib, 160 * kib} {
		for _, rate := range []int{1, 50} {
			g = append(g, flowing(fmt.Sprintf("%s/%d-a-second", sizeName(size), rate), 2, flow{
				name: "requests", size: size, every: time.Second / time.Duration(rate),
			}))
		}
	}
	for _, size := range []int{2 * kib, 16 * kib} {
		g = append(g, flowing(sizeName(size)+"/bursts-of-512", 512, flow{
			name: "requests", size: size, batch: 512, every: time.Second,
			options: channel.Options{Slots: 1024, ArenaBytes: 16 * mib},
		}))
	}
	return g
}

func broadcasts() group {
	var g group
	add := func(size, servers int, d time.Duration, few uint64) {
		g = append(g, benchCase{
			fmt.Sprintf("%s/%d-runners/%s", sizeName(size), servers, every(d)),
			call{servers: servers, size: size, answer: 24, every: d}.run, few,
		})
	}
	for _, servers := range []int{2, 4, 8} {
		add(4*kib, servers, 4*time.Millisecond, 4)
	}
	for _, d := range []time.Duration{1, 30} {
		add(4*kib, 2, d*time.Millisecond, 4)
	}
	for _, size := range []int{64 * kib, mib, 16 * mib} {
		add(size, 2, 30*time.Millisecond, 2)
	}
	return g
}

func blobs() group {
	beside := tokens()
	beside.every = time.Millisecond
	g := group{flowing("tokens-alone", 32, beside)}
	for _, b := range []struct {
		size  int
		every time.Duration
	}{{mib, 100 * time.Millisecond}, {8 * mib, time.Second}, {32 * mib, 20 * time.Second}} {
		name := fmt.Sprintf("tokens-beside-%s-%s", sizeName(b.size), every(b.every))
		g = append(g, flowing(name, 8,
			beside, flow{label: "blob-", name: "blobs", size: b.size, every: b.every}))
	}
	return g
}

func embeddings() group {
	var g group
	for _, clients := range []int{1, 4, 16} {
		for _, answer := range []int{1536, 16 * kib} {
			g = append(g, benchCase{
				fmt.Sprintf("2KiB-for-%s/%d-clients/1000-a-second", sizeName(answer), clients),
				call{
					clients: clients, size: 2 * kib, answer: answer,
					every: time.Duration(clients) * time.Millisecond,
				}.run, 32,
			})
		}
	}
	return g
}

const logitsSize = 513 * kib

func logits() group {
	var g group
	for _, rate := range []int{30, 100} {
		g = append(g, flowing(fmt.Sprintf("513KiB/%d-a-second", rate), 4, flow{
			name: "logits", size: logitsSize, every: time.Second / time.Duration(rate),
		}))
	}
	return g
}

func blocks() group {
	var g group
	for _, size := range []int{2 * mib, 32 * mib} {
		for _, rate := range []int{10, 100} {
			g = append(g, flowing(fmt.Sprintf("%s/%d-a-second", sizeName(size), rate), 2, flow{
				name: "blocks", size: size, every: time.Second / time.Duration(rate),
			}))
		}
	}
	return g
}

func cancelGroup() group {
	var g group
	for _, d := range []time.Duration{time.Millisecond, 10 * time.Millisecond} {
		g = append(g, benchCase{"beside-full-channels/" + every(d), cancels(d), 8})
	}
	return g
}

func audio() group {
	var g group
	for _, size := range []int{640, 3200} {
		for _, streams := range []int{1, 16, 64} {
			for _, rate := range []int{10, 50} {
				f := flow{
					name: "in", size: size, streams: streams,
					every: time.Second / time.Duration(rate*streams),
				}
				back := f
				back.name, back.label, back.back = "out", "out-", true
				name := fmt.Sprintf("%s/%d-streams/%d-a-second", sizeName(size), streams, rate)
				g = append(g, flowing(name, uint64(2*streams), f, back))
			}
		}
	}
	return g
}

func idles() group {
	g := group{{"no-message", idle, 1}}
	for _, d := range []time.Duration{
		time.Millisecond, 10 * time.Millisecond, time.Second, 10 * time.Second,
	} {
		few := uint64(max(1, min(8, 20*time.Millisecond/d)))
		g = append(g, flowing("24B/"+every(d), few, flow{name: "wake", size: 24, every: d}))
	}
	f := tokens()
	f.options.Spin = -1
	f.every = 10 * time.Millisecond
	return append(g, flowing("24B/every-10ms/park", 4, f))
}

func deaths() group {
	return group{
		{"sender-killed", death("sender", waitData), 2},
		{"receiver-killed", death("receiver", waitSpace), 2},
		{"restart-by-the-same-name", restart, 2},
	}
}
