package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"shmring/channel"
)

// bootIDFile has the identity of this boot of the kernel.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// thisBoot is what it says, empty where it is hidden.
func thisBoot() string {
	text, err := os.ReadFile(bootIDFile)
	if err != nil {
		return ""
	}
	return string(text)
}

// stale reports whether a segment was made before the boot with this identity. Observers may
// open it nevertheless: what it says was true then.
func stale(e channel.Entry, boot string) bool {
	now, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(boot), "-", ""))
	var hidden [16]byte
	then := e.Header.BootID
	return err == nil && len(now) == len(then) && then != hidden && then != [16]byte(now)
}

// staleTrouble says what that means.
func staleTrouble(e channel.Entry) trouble {
	return trouble{
		"stale: it was made before the last boot, and nobody can open it",
		fmt.Sprintf("who makes a channel of that name replaces it; shmctl rm --force %s removes it",
			e.Name),
	}
}
