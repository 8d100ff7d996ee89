package main

import (
	"fmt"
	"runtime/debug"

	"shmring/channel"
)

// guarded runs a command and turns a fault in shared memory that somebody truncated
// into an error, wherever it was read. The library does the same for its own calls.
func guarded(f func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			if _, ok := r.(interface{ Addr() uintptr }); !ok {
				panic(r)
			}
			err = fmt.Errorf("%w: somebody truncated or punched the file; "+
				"shmctl rm --force removes it", channel.ErrFault)
		}
	}()
	return f()
}
