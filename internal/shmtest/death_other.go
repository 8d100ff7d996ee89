//go:build !linux

package shmtest

import "syscall"

func endWithParent(attr *syscall.SysProcAttr) *syscall.SysProcAttr { return attr }
