package bench

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shmring/internal/shmtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(shmtest.EnvChild) == "" {
		flag.Parse()
		if f := flag.Lookup("test.bench"); f != nil && f.Value.String() != "" {
			describe()
		}
	}
	shmtest.Main(m, map[string]shmtest.ChildFunc{peerName: peerMain})
}

// describe prints, as configuration lines of the benchmark format, what a figure is
// worth nothing without.
func describe() {
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		fmt.Printf("kernel: %s\n", unix.ByteSliceToString(u.Release[:]))
	}
	fmt.Printf("go: %s\n", runtime.Version())
	cores := usableCores()
	if len(cores) < 2 {
		fmt.Println("cores: 1, both sides share it, not pinned")
		return
	}
	fmt.Printf("cores: %d, pinned: one side to core %d, the other to %s\n", len(cores), cores[0],
		strings.Trim(fmt.Sprint(cores[1:]), "[]"))
}
