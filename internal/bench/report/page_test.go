package report

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"feedmill/internal/bench/analyse"
	"feedmill/internal/bench/run"
)

// views are the windows in which the page must be readable.
var views = []struct {
	width  int
	scheme string
}{{1280, "light"}, {1280, "dark"}, {800, "light"}, {360, "light"}, {360, "dark"}, {320, "light"}}

// longest is how long the page may be on a desk, in pixels.
const longest = 8000

// screen is how much of it a desk shows at once: the answer, and people's
// questions with theirs.
const screen = 900

// TestPageInABrowser opens the page in headless Chromium as a desk and as a
// phone show it, in light and in dark, with scripts forbidden: it asks for
// nothing but itself, nothing is complained of, nothing is wider than the
// window, all text can be read, all marks of the charts can be told and lie on
// their intervals, the answer and people's questions are on the first screen of a
// desk, and the whole is not too long.
//
// FEEDMILL_LOOK=DIR keeps the page and whole screenshots in DIR, to be looked at;
// if there is a run.json in DIR, the page is of that run.
func TestPageInABrowser(t *testing.T) {
	b := startBrowser(t)
	dir, look := t.TempDir(), os.Getenv("FEEDMILL_LOOK")
	r := madeUp()
	if look != "" {
		dir = look
		if f, err := os.Open(filepath.Join(look, RunFile)); err == nil {
			defer f.Close()
			if r, err = run.Read(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := analyse.Run(r)
	for name, write := range Files {
		var b bytes.Buffer
		if err := errors.Join(write(&b, f), os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	url := "file://" + filepath.Join(dir, "report.html")
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	for _, v := range views {
		t.Run(fmt.Sprintf("%d-%s", v.width, v.scheme), func(t *testing.T) {
			b.t = t
			b.open(url, v.width, screen, v.scheme)
			var height, answered, marks float64
			b.evaluate("document.documentElement.scrollHeight", &height)
			b.evaluate(`Math.max(...["header", "#questions table"].map(s => document.querySelector(s).getBoundingClientRect().bottom))`, &answered)
			b.evaluate(`document.querySelectorAll("svg.chart circle, svg.chart rect").length`, &marks)
			if want := 2 * len(rounds(f).Table.Rows); int(marks) != want || want < 10 {
				t.Errorf("%v marks in charts, want %d: one of CPU and one of the clock for each refresh", marks, want)
			}
			if v.width >= 1280 && (height > longest || answered > screen) {
				t.Errorf("the page is %.0f px long and answers by %.0f, want at most %d and %d", height, answered, longest, screen)
			}
			if look != "" {
				t.Logf("%.0f px long, answered by %.0f", height, answered)
				keepScreenshots(t, b, look, v.width, int(height), v.scheme)
			}
			b.evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil)
			var problems []string
			b.evaluate(layoutScript, &problems)
			for _, p := range problems {
				t.Error(p)
			}
			if got := b.complaints(); len(got) > 0 {
				t.Errorf("the browser complains: %s", strings.Join(got, "\n"))
			}
			if got := b.requests(); len(got) != 1 || got[0] != url {
				t.Errorf("requests: got %q, want the page alone", got)
			}
			checkPicture(t, b.screenshot(0, v.width, 1800), v.scheme)
		})
	}
	b.t = t
}

// layoutScript looks at every mark of every chart, at all text, and at what is
// wider than the window. Tables may be: they scroll by themselves.
const layoutScript = `(() => {
  const problems = [], lum = c => { const v = c.match(/[\d.]+/g).slice(0, 3).map(x => x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4); return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const contrast = (a, b) => { const [x, y] = [lum(a), lum(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const paper = getComputedStyle(document.body).backgroundColor;
  for (const svg of document.querySelectorAll("svg.chart")) {
    const box = svg.getBoundingClientRect(), name = svg.getAttribute("aria-label");
    const whiskers = [...svg.querySelectorAll("line:not(.ref)")].map(l => l.getBoundingClientRect());
    for (const m of svg.querySelectorAll("circle, rect")) {
      const r = m.getBoundingClientRect(), x = (r.left + r.right) / 2;
      if (contrast(getComputedStyle(m).fill, paper) < 3) problems.push("contrast of a mark of " + name);
      if (r.width < 8 || r.left < box.left - 6 || r.right > box.right + 6 || r.bottom > box.bottom + 1 || r.top < box.top - 1) problems.push("a mark lies outside of " + name);
      if (!whiskers.some(w => w.left - 2 <= x && x <= w.right + 2 && w.top < r.bottom && w.bottom > r.top)) problems.push("a mark without its interval in " + name);
    }
    if (svg.querySelectorAll("circle").length != 1 || svg.querySelectorAll("rect").length != 1) problems.push("not two shapes in " + name);
  }
  for (const e of document.querySelectorAll("h1, h2, p, li, summary, caption, figcaption, th, td, code, a, .row b, .row span")) {
    const style = getComputedStyle(e);
    if (contrast(style.color, paper) < 4.5) problems.push("contrast of " + e.tagName + ": " + e.textContent.slice(0, 40));
    if (parseFloat(style.fontSize) < 13) problems.push(style.fontSize + ": " + e.textContent.slice(0, 40));
  }
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) problems.push("the page is " + root.scrollWidth + " px wide");
  return problems;
})()`

// checkPicture tells a page from a blank sheet: there are many colours, and the
// paper is as light or dark as was asked for.
func checkPicture(t *testing.T, picture image.Image, scheme string) {
	t.Helper()
	colours := make(map[uint32]int)
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y += 2 {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			r, g, b, _ := picture.At(x, y).RGBA()
			colours[r>>8<<16|g>>8<<8|b>>8]++
		}
	}
	paper, most := uint32(0), 0
	for c, n := range colours {
		if n > most {
			paper, most = c, n
		}
	}
	if len(colours) < 60 {
		t.Errorf("the screenshot has %d colours, want those of text and charts", len(colours))
	}
	if dark := paper&0xff < 0x80; dark != (scheme == "dark") {
		t.Errorf("the paper is #%06x, want it %s", paper, scheme)
	}
}

// keepScreenshots writes the whole page in pieces that can be looked at.
func keepScreenshots(t *testing.T, b *browser, dir string, width, height int, scheme string) {
	t.Helper()
	const piece = 2000
	for y := 0; y < height; y += piece {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d-%s-%02d.png", width, scheme, y/piece)))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(png.Encode(f, b.screenshot(y, width, min(piece, height-y))), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
