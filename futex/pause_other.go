//go:build !amd64 && !arm64

package futex

import "sync/atomic"

// pause spends a little time where there is no instruction for it.
func pause(n int) {
	var word atomic.Uint32
	for range n {
		word.Load()
	}
}
