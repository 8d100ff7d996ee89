package link

import (
	"os/exec"
	"syscall"
)

// isolate gives the runner a process group of its own: a Ctrl-C at the terminal is for the
// server, which then lets the runner finish what it has.
func isolate(cmd *exec.Cmd, killWithServer bool) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	if killWithServer {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
}
