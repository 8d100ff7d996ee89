package shm

import (
	"encoding/hex"
	"os"
	"strings"
	"sync"
)

// bootID returns the identity of this boot of the kernel, zeroes if it is hidden.
var bootID = sync.OnceValue(func() (id [16]byte) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id
	}
	text := strings.ReplaceAll(strings.TrimSpace(string(data)), "-", "")
	if raw, err := hex.DecodeString(text); err == nil && len(raw) == len(id) {
		copy(id[:], raw)
	}
	return id
})
