// Shmctl makes, fills, empties, ends, repairs, shows, watches and removes shmring
// channels.
//
//	seq 1 1000000 | shmctl send q --lines --seal
//	shmctl recv q --lines
//
// See docs/SHMCTL.md, or shmctl help.
package main

import "os"

func main() { os.Exit(run()) }

// run is one process's life of shmctl.
func run() int {
	ctx, stop := untilSignal()
	defer stop()
	return newApp().execute(ctx, os.Args[1:])
}
