//go:build !amd64 || race

package bulk

// Copy is copy for memory that does not overlap.
func Copy(dst, src []byte) int { return copy(dst, src) }
