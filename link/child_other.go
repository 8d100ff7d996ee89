//go:build !linux

package link

import "os/exec"

// isolate does nothing where no segment can be created.
func isolate(*exec.Cmd, bool) {}
