//go:build amd64 || arm64

package futex

//go:noescape
func pause(n int)
