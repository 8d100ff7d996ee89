package shmtest

import "syscall"

// endWithParent lets the kernel kill a child whose parent dies, also one that never listens: a
// test that is killed leaves no process.
func endWithParent(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	if attr == nil {
		attr = new(syscall.SysProcAttr)
	}
	attr.Pdeathsig = syscall.SIGKILL
	return attr
}
