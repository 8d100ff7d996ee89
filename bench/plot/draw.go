package main

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"shmring/internal/results"
)

const (
	width       = 10 * vg.Inch
	height      = 5 * vg.Inch
	legendWidth = 2.8 * vg.Inch
	margin      = vg.Inch / 10
)

// colours can be told apart by most people who see few; shapes help the others.
var colours = []color.RGBA{
	{0, 114, 178, 255},
	{213, 94, 0, 255},
	{0, 158, 115, 255},
	{204, 121, 167, 255},
	{86, 180, 233, 255},
	{230, 159, 0, 255},
	{90, 90, 90, 255},
}

var shapes = []draw.GlyphDrawer{
	draw.CircleGlyph{},
	draw.SquareGlyph{},
	draw.TriangleGlyph{},
	draw.PlusGlyph{},
	draw.CrossGlyph{},
}

// draw writes the picture. Both axes are logarithmic.
func (p picture) draw(lines []line, set *results.Set, file string) error {
	pl := plot.New()
	pl.Title.Text = p.title + "\n" + machine(set)
	pl.X.Label.Text, pl.Y.Label.Text = p.x, p.y
	pl.X.Scale, pl.Y.Scale = plot.LogScale{}, plot.LogScale{}
	pl.X.Tick.Marker, pl.Y.Tick.Marker = p.ticksX, powerTicks
	if p.name == "latency" {
		pl.Y.Tick.Marker = timeTicks
	}
	pl.Add(plotter.NewGrid())
	legend := plot.NewLegend()
	legend.Top, legend.Left, legend.Padding = true, true, vg.Points(3)
	for i, l := range lines {
		curve, points, err := plotter.NewLinePoints(l.points)
		if err != nil {
			return fmt.Errorf("%s: %w", l.label, err)
		}
		curve.Color = colours[i%len(colours)]
		curve.Width = vg.Points(1.5)
		points.Color, points.Shape = curve.Color, shapes[i%len(shapes)]
		if i >= len(colours) {
			curve.Dashes = []vg.Length{vg.Points(4), vg.Points(2)}
		}
		pl.Add(curve, points)
		legend.Add(l.label, curve, points)
	}
	pl.X.Min, pl.X.Max = spread(pl.X.Min, pl.X.Max)
	pl.Y.Min, pl.Y.Max = spread(pl.Y.Min, pl.Y.Max)
	return save(pl, &legend, file)
}

// save writes a picture with its legend beside it, where it hides nothing.
func save(pl *plot.Plot, legend *plot.Legend, file string) error {
	kind := strings.TrimPrefix(filepath.Ext(file), ".")
	canvas, err := draw.NewFormattedCanvas(width, height, kind)
	if err != nil {
		return err
	}
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Path())
	pl.Draw(draw.Crop(whole, margin, -legendWidth, margin, -margin))
	legend.Draw(draw.Crop(whole, width-legendWidth+margin, 0, margin, -6*margin))
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = canvas.WriteTo(f)
	return errors.Join(err, f.Close())
}

// spread leaves room around what is drawn, also around a single point.
func spread(low, high float64) (float64, float64) { return low / 1.3, high * 1.3 }

// machine says where the figures are from.
func machine(set *results.Set) string {
	var parts []string
	for _, key := range []string{"cpu", "kernel", "go"} {
		if v := set.Config[key]; v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, ", ")
}

// ticks are marks of a logarithmic axis: candidates and how they are spelled.
type ticks struct {
	at    []float64
	spell func(float64) string
}

// Ticks implements plot.Ticker.
func (t ticks) Ticks(low, high float64) []plot.Tick {
	var marks []plot.Tick
	for _, at := range t.at {
		if at >= low && at <= high {
			marks = append(marks, plot.Tick{Value: at, Label: t.spell(at)})
		}
	}
	if len(marks) == 0 { // the library wants one
		marks = append(marks, plot.Tick{Value: low, Label: t.spell(low)})
	}
	return marks
}

// powers are those of a base from one exponent to another.
func powers(base float64, from, to, step int) []float64 {
	var all []float64
	for e := from; e <= to; e += step {
		all = append(all, math.Pow(base, float64(e)))
	}
	return all
}

var (
	powerTicks = ticks{powers(10, -4, 9, 1), func(v float64) string { return fmt.Sprintf("%g", v) }}
	sizeTicks  = ticks{powers(2, 3, 30, 3), spellSize}
	timeTicks  = ticks{powers(10, 0, 11, 1), spellTime}

	percentileTicks = ticks{[]float64{2, 10, 100, 1000, 10_000}, func(v float64) string {
		return fmt.Sprintf("p%g", math.Round(100*(1-1/v)*100)/100)
	}}
)

func spellSize(v float64) string {
	switch {
	case v >= 1<<20:
		return fmt.Sprintf("%g MiB", v/(1<<20))
	case v >= 1<<10:
		return fmt.Sprintf("%g KiB", v/(1<<10))
	}
	return fmt.Sprintf("%g", v)
}

func spellTime(ns float64) string {
	switch {
	case ns >= 1e9:
		return fmt.Sprintf("%g s", ns/1e9)
	case ns >= 1e6:
		return fmt.Sprintf("%g ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%g µs", ns/1e3)
	}
	return fmt.Sprintf("%g ns", ns)
}
