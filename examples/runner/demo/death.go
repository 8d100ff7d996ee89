package demo

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"shmring/examples/runner/client"
	"shmring/examples/runner/server"
)

// promptly is within what time a death must be told to clients.
const promptly = 100 * time.Millisecond

// killRunner kills one of two runners while all streams go on.
func killRunner(ctx context.Context, s *stage) []outcome {
	const tokens = 300
	p, err := s.server(ctx)
	if err != nil {
		return []outcome{failed(err)}
	}
	b := s.begin(ctx, streams, tokens)
	if err := b.reach(ctx, 50); err != nil {
		return []outcome{failed(err)}
	}
	at := time.Now()
	if err := kill(p.runners[0], syscall.SIGKILL); err != nil {
		return []outcome{failed(err)}
	}
	h, err := p.Await(ctx, func(h server.Health) bool {
		return h.Runners[0].Restarts == 1 && client.Ready(h)
	})
	if err != nil {
		return []outcome{failed(err)}
	}
	again := time.Since(at)
	p.runners = append(p.runners, h.Runners[0].PID)
	died, worst, gap, err := s.afterDeath(b, at)
	if err != nil {
		return []outcome{failed(err)}
	}
	if err := s.clean(); err != nil {
		return []outcome{failed(err)}
	}
	if _, err := s.begin(ctx, 8, 20).whole(); err != nil {
		return []outcome{failed(fmt.Errorf("after the restart: %w", err))}
	}
	return []outcome{check(died > 0 && died < streams,
		"%d streams ended with an error event, the last after %v; %d went on, identical, "+
			"longest gap %v; ready again after %v; shared memory clean",
		died, round(worst), streams-died, round(gap), round(again)).intime(worst < promptly)}
}

// afterDeath sorts the streams of a batch: those of the dead must have ended with an error
// event, the others must be whole.
func (s *stage) afterDeath(b *batch, at time.Time) (
	died int, worst, gap time.Duration, err error,
) {
	for i, r := range b.end() {
		if isDeath(r) {
			died++
			worst = max(worst, r.Ended.Sub(at))
			if err := s.same(i, r); err != nil {
				return 0, 0, 0, err
			}
			continue
		}
		if err := s.whole(i, b.tokens, r); err != nil {
			return 0, 0, 0, err
		}
		for j := 1; j < len(r.Times); j++ {
			if r.Times[j].After(at) && r.Times[j-1].Before(at.Add(time.Second)) {
				gap = max(gap, r.Times[j].Sub(r.Times[j-1]))
			}
		}
	}
	return died, worst, gap, nil
}

// killServer kills the server while streams go on: its runners must end by themselves.
func killServer(ctx context.Context, s *stage) []outcome {
	p, err := s.server(ctx)
	if err != nil {
		return []outcome{failed(err)}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	b := s.begin(ctx, streams, 1<<20)
	if err := b.reach(ctx, 20); err != nil {
		return []outcome{failed(err)}
	}
	at := time.Now()
	if err := kill(p.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		return []outcome{failed(err)}
	}
	if err := s.gone(p.runners); err != nil {
		return []outcome{failed(err)}
	}
	took := time.Since(at)
	b.end()
	if err := s.clean(); err != nil {
		return []outcome{failed(err)}
	}
	return []outcome{check(true, "%d runners exited, the last after %v; shared memory clean",
		len(p.runners), round(took))}
}

func kill(pid int, signal syscall.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(signal)
}

// terminate asks the server to end while streams go on.
func terminate(ctx context.Context, s *stage) []outcome {
	tokens := 400
	if s.short {
		tokens = 150
	}
	p, err := s.server(ctx)
	if err != nil {
		return []outcome{failed(err)}
	}
	b := s.begin(ctx, streams, tokens)
	if err := b.reach(ctx, 20); err != nil {
		return []outcome{failed(err)}
	}
	at := time.Now()
	if err := kill(p.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		return []outcome{failed(err)}
	}
	n, err := b.whole()
	if err != nil {
		return []outcome{failed(err)}
	}
	select {
	case <-p.exited:
	case <-ctx.Done():
		return []outcome{failed(context.Cause(ctx))}
	}
	took := time.Since(at)
	lines := drainLines(p.log.String())
	return []outcome{check(n == streams && p.err == nil && lines > 1 && !aliveAny(p.runners),
		"%d streams finished, identical: 0 tokens lost; %d reports of progress; exit status %d "+
			"after %v, runners gone", n, lines, p.cmd.ProcessState.ExitCode(), round(took))}
}

func aliveAny(pids []int) bool {
	for _, pid := range pids {
		if alive(pid) {
			return true
		}
	}
	return false
}
