package main

import (
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"shmring/channel"
)

// A sizeValue is a flag for bytes, with the suffixes K, M and G. They count by 1024 in
// every spelling (64K, 64KB, 64KiB): no size of a channel is a multiple of 1000.
type sizeValue struct {
	n    *int
	none int // what "none" means; zero: not allowed
}

// Set implements pflag.Value.
func (v sizeValue) Set(text string) error {
	if v.none != 0 && strings.EqualFold(text, "none") {
		*v.n = v.none
		return nil
	}
	n, err := parseSize(text)
	if err != nil {
		return err
	}
	*v.n = n
	return nil
}

// String implements pflag.Value.
func (v sizeValue) String() string {
	if v.n == nil || *v.n == 0 {
		return ""
	}
	return strconv.Itoa(*v.n)
}

// Type implements pflag.Value.
func (v sizeValue) Type() string { return "size" }

// parseSize reads a number of bytes.
func parseSize(text string) (int, error) {
	s := strings.ToUpper(strings.TrimSpace(text))
	s = strings.TrimSuffix(strings.TrimSuffix(s, "B"), "I")
	shift := 0
	if s != "" {
		if i := strings.IndexByte("KMG", s[len(s)-1]); i >= 0 {
			shift = 10 * (i + 1)
			s = s[:len(s)-1]
		}
	}
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 63)
	if err != nil || shift == 0 && strings.ContainsAny(text, "iI") {
		return 0, fmt.Errorf("%q is no size: write bytes, or 64K, 1MiB", text)
	}
	if n > uint64(math.MaxInt)>>shift {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return int(n << shift), nil
}

// A kindValue is a flag for the kind of a channel.
type kindValue struct{ kind *channel.Kind }

// Set implements pflag.Value.
func (v kindValue) Set(text string) error {
	for _, kind := range []channel.Kind{channel.MPSC, channel.SPSC} {
		if strings.EqualFold(text, kind.String()) {
			*v.kind = kind
			return nil
		}
	}
	return fmt.Errorf("%q is neither mpsc nor spsc", text)
}

// String implements pflag.Value.
func (v kindValue) String() string {
	if v.kind == nil {
		return ""
	}
	return strings.ToLower(v.kind.String())
}

// Type implements pflag.Value.
func (v kindValue) Type() string { return "kind" }

// A modeValue is a flag for permission bits, in octal.
type modeValue struct{ mode *fs.FileMode }

// Set implements pflag.Value.
func (v modeValue) Set(text string) error {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n == 0 || fs.FileMode(n)&^fs.ModePerm != 0 {
		return fmt.Errorf("%q is no mode: write octal permission bits, as 0660", text)
	}
	*v.mode = fs.FileMode(n)
	return nil
}

// String implements pflag.Value.
func (v modeValue) String() string {
	if v.mode == nil || *v.mode == 0 {
		return ""
	}
	return fmt.Sprintf("%04o", uint32(*v.mode))
}

// Type implements pflag.Value.
func (v modeValue) Type() string { return "octal" }
