package layout

import (
	"errors"
	"fmt"
	"runtime"
)

// Supported returns nil where segments can be used. Elsewhere it is the error of
// everything that would create, open, list or remove one: errors.ErrUnsupported, with
// what is needed and what this is.
func Supported() error {
	if supported {
		return nil
	}
	return fmt.Errorf("%w: shmring needs Linux on amd64 or arm64, this program was built for %s/%s",
		errors.ErrUnsupported, runtime.GOOS, runtime.GOARCH)
}
