package main

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// demoProgress tells people how far the demo is.
type demoProgress struct {
	progress
	total int
	began time.Time
}

func newDemoProgress(a *app, o demoOptions, total int) demoProgress {
	p := demoProgress{progress: newProgress(a.stderr), total: total, began: time.Now()}
	p.last = p.began
	if !o.json {
		fmt.Fprintf(p.w, "%d sender processes, %s files\n", //nolint:errcheck // only a notice
			o.senders, humanize.Comma(int64(total)))
	}
	return p
}

func (p *demoProgress) show(r *demoResult) {
	p.progress.show(func() string {
		seconds := time.Since(p.began).Seconds()
		return fmt.Sprintf("%d of %d files, %s, %.2f GB/s", r.Files, p.total,
			humanize.Bytes(r.Bytes), float64(r.Bytes)/1e9/seconds)
	})
}
