//go:build !linux

package shmtest

func yieldProcessor() {}
