//go:build linux

package channel_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/state"
)

// comeUp lets a victim get to its work before it is hit, seven times of eight: starting
// takes much longer than most of what it does then.
func (r *chaosRun) comeUp(p *chaosProcess, victim int) {
	for range 2000 {
		if victim%8 == 0 || !p.log.Empty() || !p.running() || r.ctx.Err() != nil {
			return
		}
		r.pause(chaosPause)
	}
}

// kill kills a process and starts the next life of its role.
func (r *chaosRun) kill(victim int) {
	p := r.victimOf(victim)
	r.comeUp(p, victim)
	if !p.running() {
		return
	}
	p.kill()
	r.kills++
	if p == r.receiver() {
		r.startReceiver()
	} else if left := p.spec.Left - p.accepted(); left > 0 {
		r.senders[victim%len(r.senders)] = r.startSender(p.spec.Lane, left)
	}
}

// victimOf returns the process that kill would kill: the receiver every third time.
func (r *chaosRun) victimOf(victim int) *chaosProcess {
	if victim%3 == 0 {
		return r.receiver()
	}
	return r.senders[victim%len(r.senders)]
}

// nemesis does the steps of the plan, as long as somebody sends.
func (r *chaosRun) nemesis() {
	for i, step := range r.plan.Steps {
		r.pause(step.After)
		if !r.sending() && step.Act != actClose {
			continue
		}
		if r.plan.Ending == endReopen && i == len(r.plan.Steps)/2 {
			r.reopen()
		}
		r.act(step)
		r.repair()
	}
}

func (r *chaosRun) act(step chaosStep) {
	lane := uint8(step.Victim % r.plan.Lanes)
	switch step.Act {
	case actKill:
		r.kill(step.Victim)
	case actStop:
		p := r.victimOf(step.Victim)
		r.comeUp(p, step.Victim)
		p.signal(syscall.SIGSTOP)
		r.stops++
		r.pause(step.For)
		if step.Also >= 0 && r.victimOf(step.Also) != p {
			r.kill(step.Also)
			r.pause(step.For)
		}
		p.signal(syscall.SIGCONT)
	case actRenice:
		r.renice(r.victimOf(step.Victim), step.Victim%10)
	case actRecover, actObserve:
		r.short(chaosSpec{Role: string(step.Act), Lane: lane}, step)
	case actRollback:
		r.rollbacks++
		r.short(chaosSpec{Role: string(step.Act), Lane: lane, Within: step.For + 1}, step)
	case actClose:
		r.close(step)
	}
}

// close has every channel ended early. Before every second force the receiver is stopped: else
// it nearly always has everything by then, and nothing is left to be given up.
func (r *chaosRun) close(step chaosStep) {
	if p := r.receiver(); r.plan.Ending == endForce && step.Victim%2 == 0 {
		r.comeUp(p, step.Victim+1)
		p.signal(syscall.SIGSTOP)
		r.stops++
		defer p.signal(syscall.SIGCONT)
		defer r.awaitClosers()
		for range 200 { // until it has something to miss
			if r.chs[0].Stats().Depth > 0 || !r.sending() || r.ctx.Err() != nil {
				break
			}
			r.pause(chaosPause)
		}
	}
	for lane := range r.names {
		spec := chaosSpec{Role: string(r.plan.Ending), Lane: uint8(lane)}
		if r.plan.Ending == endForce {
			spec.Within = step.For + time.Millisecond
		}
		r.short(spec, step)
	}
}

// awaitClosers waits until those that force a close have ended.
func (r *chaosRun) awaitClosers() {
	for _, p := range r.live() {
		if p.spec.Role != string(endForce) {
			continue
		}
		select {
		case <-p.done:
		case <-r.ctx.Done():
		}
	}
}

// short runs a process that does one thing. Now and then it is killed meanwhile.
func (r *chaosRun) short(spec chaosSpec, step chaosStep) {
	p := r.start(spec)
	if step.Also >= 0 {
		r.comeUp(p, step.Victim)
		r.pause(step.For / 4)
		if p.running() {
			r.kills++
			p.kill()
		}
	}
}

// pause lets the others run. No step relies on how long it is.
func (r *chaosRun) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.ctx.Done():
	}
}

// sending reports whether some sender runs.
func (r *chaosRun) sending() bool {
	for _, p := range r.senders {
		if p.running() {
			return true
		}
	}
	return false
}

// repair brings a channel back whose rollback was killed half-way; a living receiver does
// it by itself.
func (r *chaosRun) repair() {
	for _, ch := range r.chs {
		if ch.State() != state.Error {
			continue
		}
		_, err := ch.Recover(r.ctx)
		if err == nil {
			r.recovered++
		} else if !errors.Is(err, channel.ErrBusy) && !errors.Is(err, channel.ErrState) {
			require.NoError(r.t, err)
		}
	}
}

// reopen kills everybody at once and leaves; others go on with what was left.
func (r *chaosRun) reopen() {
	r.reopened++
	live := r.live()
	for _, p := range live {
		p.killed.Store(true)
		p.signal(syscall.SIGKILL)
	}
	for _, ch := range r.chs {
		require.NoError(r.t, ch.Close())
	}
	for _, p := range live {
		p.kill()
		r.kills++
	}
	r.chs = nil
	r.openAll()
	r.startReceiver()
	for i, p := range r.senders {
		if left := p.spec.Left - p.accepted(); left > 0 && p.killed.Load() {
			r.senders[i] = r.startSender(p.spec.Lane, left)
		}
	}
}

// live returns the processes that run.
func (r *chaosRun) live() []*chaosProcess {
	r.mu.Lock()
	defer r.mu.Unlock()
	var live []*chaosProcess
	for _, p := range r.procs {
		if p.running() {
			live = append(live, p)
		}
	}
	return live
}

// renice makes a process slow or usual: all its threads, for niceness is theirs.
func (r *chaosRun) renice(p *chaosProcess, nice int) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid))
	if err != nil {
		return // gone
	}
	for _, e := range threads {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, tid, nice) // gone, or not allowed
		}
	}
}
