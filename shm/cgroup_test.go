//go:build linux

package shm_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/shm"
)

// hierarchy makes the files of a cgroup file system.
func hierarchy(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return root
}

func TestFreeMemoryOfCgroups(t *testing.T) {
	const v2, v1 = "0::/a/b\n", "12:cpu,cpuacct:/x\n4:memory:/a/b\n1:name=systemd:/\n"
	for name, c := range map[string]struct {
		membership string
		files      map[string]string
		free       uint64
		where      string // empty: no limit is known
	}{
		"v2, own limit": {
			v2,
			map[string]string{"a/b/memory.max": "1000\n", "a/b/memory.current": "400\n"},
			600, "memory cgroup /a/b",
		},
		"v2, the parent is smaller": {
			v2, map[string]string{
				"a/b/memory.max": "1000\n", "a/b/memory.current": "400\n",
				"a/memory.max": "900\n", "a/memory.current": "800\n",
			}, 100, "memory cgroup /a",
		},
		"v2, no limit": {
			v2, map[string]string{"a/b/memory.max": "max\n", "a/b/memory.current": "400\n"}, 0, "",
		},
		"v2, page cache can be dropped, shared memory cannot": {
			v2, map[string]string{
				"a/b/memory.max": "1000\n", "a/b/memory.current": "900\n",
				"a/b/memory.stat": "anon 1\nactive_file 100\ninactive_file 200\n" +
					"file 800\nshmem 500\n",
			}, 400, "memory cgroup /a/b",
		},
		"v2, above its limit": {
			v2,
			map[string]string{"a/b/memory.max": "1000\n", "a/b/memory.current": "1200\n"},
			0, "memory cgroup /a/b",
		},
		"v2, numbers that contradict each other": {
			v2, map[string]string{
				"a/b/memory.max": "1000\n", "a/b/memory.current": "100\n",
				"a/b/memory.stat": "active_file 18446744073709551615\n",
			}, 1000, "memory cgroup /a/b",
		},
		"v2, in a container: the path is that of the host, the root is ours": {
			v2,
			map[string]string{"memory.max": "1000\n", "memory.current": "1\n"},
			999, "memory cgroup /",
		},
		"v2, outside the namespace": {
			"0::/../../c\n",
			map[string]string{"c/memory.max": "7\n", "c/memory.current": "3\n"},
			4, "memory cgroup /c",
		},
		"v1": {
			v1, map[string]string{
				"memory/a/b/memory.limit_in_bytes": "1000\n",
				"memory/a/b/memory.usage_in_bytes": "700\n",
				"memory/a/b/memory.stat": "active_file 300\ntotal_active_file 10\n" +
					"total_inactive_file 20\n",
			}, 330, "memory cgroup /a/b",
		},
		"v1, no limit is a huge number": {
			v1, map[string]string{
				"memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
				"memory/a/b/memory.usage_in_bytes": "712\n",
			}, 9223372036854771000, "memory cgroup /a/b",
		},
		"v1 and v2 at once": {
			v1 + v2, map[string]string{
				"memory/a/memory.limit_in_bytes": "50\n", "memory/a/memory.usage_in_bytes": "1\n",
				"a/memory.max": "40\n", "a/memory.current": "1\n",
			}, 39, "memory cgroup /a",
		},
		"garbage": {
			"::\n\n0::\nmemory\n:memory:\x00\n", map[string]string{"memory.max": "many"}, 0, "",
		},
		"nothing": {"", nil, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			free, where, ok := shm.CgroupFreeIn(hierarchy(t, c.files), []byte(c.membership))
			assert.Equal(t, c.where != "", ok)
			assert.Equal(t, c.free, free)
			assert.Equal(t, c.where, where)
		})
	}
}
