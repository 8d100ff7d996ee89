//go:build !linux || (!amd64 && !arm64)

package layout

const supported = false
