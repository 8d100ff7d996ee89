//go:build amd64 && !race

package bulk

import "golang.org/x/sys/cpu"

// Below least a string instruction is not worth its start. Above most nothing is left in a cache
// for the other process, and Go's copy, which goes past them, spares the lines of others.
const (
	least = 2 << 10
	most  = 8 << 20
)

// Copy is copy for memory that does not overlap.
func Copy(dst, src []byte) int {
	n := min(len(dst), len(src))
	if n < least || n > most || !cpu.X86.HasERMS {
		return copy(dst, src)
	}
	move(&dst[0], &src[0], n)
	return n
}

// move copies n bytes by one string instruction.
//
//go:noescape
func move(dst, src *byte, n int)
