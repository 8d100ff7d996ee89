package main

import "golang.org/x/term"

// isTerminal reports whether a person is at the other end of a stream.
func isTerminal(stream any) bool {
	fd, ok := descriptor(stream)
	return ok && term.IsTerminal(fd)
}
