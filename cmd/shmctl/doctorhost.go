package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"shmring/shm"
)

// settings looks at settings of the machine that remove or refuse segments.
func (d *doctor) settings(context.Context) []finding {
	return []finding{d.removeIPC(os.Geteuid()), d.protectedRegular(), d.hugePages()}
}

// read returns a small file of the system; empty: it is not there.
func (d *doctor) read(path string) string {
	text, err := os.ReadFile(filepath.Join(d.root, path))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// firstUser is the first uid that logind takes for that of a person.
const firstUser = 1000

// removeIPC asks whether logind removes a user's segments when he logs out. Its settings
// are in logind.conf and in files beside it, of which the last by name counts.
func (d *doctor) removeIPC(uid int) finding {
	const check = "RemoveIPC"
	if _, err := os.Stat(filepath.Join(d.root, "/run/systemd/system")); err != nil {
		return well(check, "systemd does not run here")
	}
	if !within(d.dir, shm.DefaultDir) {
		return well(check, d.dir+" is not below "+shm.DefaultDir+", which is all it cleans")
	}
	setting, from := "yes", "the default"
	// What comes later overrides.
	paths := []string{"/usr/lib/systemd/logind.conf", "/etc/systemd/logind.conf"}
	drop := make(map[string]string) // by name: /etc hides /run hides /usr/lib
	for _, dir := range []string{"/usr/lib", "/usr/local/lib", "/run", "/etc"} {
		dir += "/systemd/logind.conf.d"
		files, err := os.ReadDir(filepath.Join(d.root, dir))
		if err != nil {
			continue
		}
		for _, f := range files {
			if strings.HasSuffix(f.Name(), ".conf") {
				drop[f.Name()] = filepath.Join(dir, f.Name())
			}
		}
	}
	var names []string
	for name := range drop {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		paths = append(paths, drop[name])
	}
	for _, path := range paths {
		lines := bufio.NewScanner(bytes.NewReader([]byte(d.read(path))))
		for lines.Scan() {
			key, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), "=")
			if strings.TrimSpace(key) == check {
				setting, from = strings.ToLower(strings.TrimSpace(value)), path
			}
		}
	}
	text := fmt.Sprintf("%s (%s)", setting, from)
	if slices.Contains([]string{"no", "false", "off", "0"}, setting) {
		return well(check, text)
	}
	if uid < firstUser {
		return well(check, text+", which spares system users, as uid "+strconv.Itoa(uid))
	}
	return warn(check, text+": segments go when this user logs out",
		"RemoveIPC=no in /etc/systemd/logind.conf and systemctl restart systemd-logind, or run "+
			"services as system users")
}

// within reports whether a directory is another one or lies below it.
func within(dir, root string) bool {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	rest, err := filepath.Rel(root, dir)
	return err == nil && filepath.IsLocal(rest)
}

// protectedRegular tells of the sysctl: segments are opened without O_CREAT, so it
// refuses none, but explains what other programs are refused.
func (d *doctor) protectedRegular() finding {
	const check, path = "protected_regular", "/proc/sys/fs/protected_regular"
	value := d.read(path)
	if value == "" {
		return well(check, "this kernel has no such setting")
	}
	return well(check, value+": segments are opened without O_CREAT, it refuses none")
}

// hugePages tells whether shared memory comes in huge pages.
func (d *doctor) hugePages() finding {
	const check = "huge pages"
	text := d.read("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
	_, after, found := strings.Cut(text, "[")
	mode, _, closed := strings.Cut(after, "]")
	if !found || !closed {
		return well(check, "this kernel has none for shared memory")
	}
	if mode == "deny" || mode == "never" {
		return well(check, "shmem_enabled is "+mode+": pages of 4 KiB; large arenas may gain by "+
			"a mount with huge=within_size")
	}
	return well(check, "shmem_enabled is "+mode)
}
