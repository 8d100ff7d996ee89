//go:build linux && (amd64 || arm64)

package layout

// supported is decided here and by nothing else. A processor that is added must be
// 64-bit and little-endian, as the layout is, and have passed the tests.
const supported = true
