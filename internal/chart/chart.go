// Package chart draws lines as SVG, for pages and for verdicts.
package chart

import (
	"fmt"
	"html"
	"strings"
)

// Chart is a picture of lines over a common axis.
type Chart struct {
	Title string
	// X and Y say what the axes are of.
	X, Y string
	// XMost and YMost are where the axes end; they begin at 0. What lies higher
	// is drawn at the top.
	XMost, YMost float64
	// XTick and YTick are how far the marks lie apart.
	XTick, YTick float64
	// Label writes a value of y.
	Label func(float64) string
	// Happens is what does between the values From and To of x. Empty: nothing.
	Happens  string
	From, To float64
	Lines    []Line
}

// Line is one of at most 8 lines.
type Line struct {
	Name   string
	Points []Point
}

// Point is where a line goes through.
type Point struct{ X, Y float64 }

// PlotHeight is how high the lines' part of a chart is.
const PlotHeight = 220

// Chance writes a value of y that is the power of ten by which a chance is less
// than one.
func Chance(y float64) string {
	if y == 0 {
		return "1"
	}
	return fmt.Sprintf("1e-%.0f", y)
}

const (
	chartWidth, plotLeft, plotRight = 880, 58, 620
	plotTop, chartFoot              = 40, 52
)

// style is of colours that can be told apart by those who see red and green
// alike, on a light and on a dark ground. Dashes let a line be seen below another
// that goes the same way.
const style = `<style>
    text { fill: #1f2328; font-size: 13px }
    .title { font-weight: 600; font-size: 14px }
    .small { fill: #57606a; font-size: 12px }
    .grid { stroke: #d0d7de; stroke-width: 1 }
    .axis { stroke: #57606a; stroke-width: 1 }
    .band { fill: #d0d7de; fill-opacity: .45 }
    .line { fill: none; stroke-width: 2.2; stroke-linejoin: round }
    .c0 { stroke: #cf222e } .c1 { stroke: #0969da } .c2 { stroke: #1a7f37 } .c3 { stroke: #bc6c00 }
    .c4 { stroke: #8250df } .c5 { stroke: #57606a } .c6 { stroke: #bf3989 } .c7 { stroke: #0f7b8a }
    .c1, .c5 { stroke-dasharray: 9 5 } .c2, .c6 { stroke-dasharray: 3 4 } .c3, .c7 { stroke-dasharray: 12 4 3 4 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #30363d } .axis { stroke: #8b949e } .band { fill: #6e7681; fill-opacity: .3 }
      .c0 { stroke: #ff7b72 } .c1 { stroke: #79c0ff } .c2 { stroke: #56d364 } .c3 { stroke: #ffa657 }
      .c4 { stroke: #d2a8ff } .c5 { stroke: #9198a1 } .c6 { stroke: #ff9bce } .c7 { stroke: #56d4dd }
    }
  </style>
`

// SVG draws charts, one above the other. Says is for those who cannot see it.
func SVG(says string, charts ...Chart) string {
	const each = plotTop + PlotHeight + chartFoot
	var out strings.Builder
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\" role=\"img\" aria-label=\"%s\">\n  %s",
		chartWidth, each*len(charts), html.EscapeString(says), style)
	for i, c := range charts {
		fmt.Fprintf(&out, "  <g transform=\"translate(0 %d)\">\n", i*each)
		c.draw(&out)
		out.WriteString("  </g>\n")
	}
	out.WriteString("</svg>\n")
	return out.String()
}

func (c *Chart) draw(out *strings.Builder) {
	put := func(format string, args ...any) { fmt.Fprintf(out, "    "+format+"\n", args...) }
	put(`<text class="title" x="%d" y="20">%s</text>`, plotLeft, c.Title)
	if c.Happens != "" {
		put(`<rect class="band" x="%.1f" y="%d" width="%.1f" height="%d"/>`, c.across(c.From), plotTop, c.across(c.To)-c.across(c.From), PlotHeight)
		put(`<text class="small" x="%.1f" y="%d">%s</text>`, c.across(c.From)+4, plotTop+14, c.Happens)
	}
	for y := 0.; y <= c.YMost+c.YTick/2; y += c.YTick {
		put(`<path class="grid" d="M%d %.1fH%d"/>`, plotLeft, c.up(y), plotRight)
		put(`<text class="small" x="%d" y="%.1f" text-anchor="end">%s</text>`, plotLeft-6, c.up(y)+4, c.Label(y))
	}
	for x := 0.; x <= c.XMost+c.XTick/2; x += c.XTick {
		put(`<path class="axis" d="M%.1f %dv5"/>`, c.across(x), plotTop+PlotHeight)
		put(`<text class="small" x="%.1f" y="%d" text-anchor="middle">%g</text>`, c.across(x), plotTop+PlotHeight+19, x)
	}
	put(`<path class="axis" d="M%d %dH%d"/>`, plotLeft, plotTop+PlotHeight, plotRight)
	put(`<text class="small" x="%d" y="%d" text-anchor="end">%s</text>`, plotRight, plotTop+PlotHeight+37, c.X)
	put(`<text class="small" x="%d" y="%d">%s</text>`, plotLeft, plotTop-6, c.Y)
	for i, l := range c.Lines {
		put(`<polyline class="line c%d" points="%s"><title>%s</title></polyline>`, i, c.path(l), l.Name)
		put(`<path class="line c%d" d="M%d %dh26"/>`, i, plotRight+18, plotTop+9+21*i)
		put(`<text x="%d" y="%d">%s</text>`, plotRight+52, plotTop+13+21*i, l.Name)
	}
}

func (c *Chart) path(l Line) string {
	var at []string
	for _, p := range l.Points {
		at = append(at, fmt.Sprintf("%.1f,%.1f", c.across(p.X), c.up(min(p.Y, c.YMost))))
	}
	return strings.Join(at, " ")
}

func (c *Chart) across(x float64) float64 {
	return plotLeft + x/c.XMost*(plotRight-plotLeft)
}

func (c *Chart) up(y float64) float64 { return plotTop + PlotHeight*(1-y/c.YMost) }
