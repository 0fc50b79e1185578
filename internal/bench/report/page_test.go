package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"feedmill/internal/bench"
)

func pageOf(t *testing.T, invocations, blocks int) string {
	t.Helper()
	var b bytes.Buffer
	if err := Page(&b, madeUp(invocations, blocks)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTheSameRunMakesTheSameBytes, in every file, from the run as it is in
// memory and as it was read back.
func TestTheSameRunMakesTheSameBytes(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	if err := Write(a, golden(t)); err != nil {
		t.Fatal(err)
	}
	if err := Write(b, madeUp(2, 1)); err != nil {
		t.Fatal(err)
	}
	names := []string{TextFile, PageFile, GoBenchFile, CSVFile, PlotFile}
	for _, name := range names {
		x, errX := os.ReadFile(filepath.Join(a, name))
		y, errY := os.ReadFile(filepath.Join(b, name))
		if err := errors.Join(errX, errY); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs", name)
		}
		if len(x) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	entries, err := os.ReadDir(a)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(names) {
		t.Errorf("got %v, want %q and nothing else", entries, names)
	}
}

// TestThePageNeedsNothingElse: no script, no host, no file, by its text. The
// links of its foot are to what lies beside it.
func TestThePageNeedsNothingElse(t *testing.T) {
	page := pageOf(t, 2, 3)
	for _, never := range []string{"<script", "javascript:", "<link rel=\"stylesheet", "<img", "<iframe", "@import", "url(", " src=", " style=", " on"} {
		body := page
		if never == " on" { // as in onclick="
			if m := regexp.MustCompile(`<[^>]* on[a-z]+=`).FindString(body); m != "" {
				t.Errorf("the page has %s", m)
			}
			continue
		}
		if i := strings.Index(body, never); i >= 0 {
			t.Errorf("the page has %q: %.80s", never, body[i:])
		}
	}
	for _, m := range regexp.MustCompile(`[a-z]+://[^"'<\s]*`).FindAllString(page, -1) {
		if m != "http://www.w3.org/2000/svg" { // a name, which nobody asks for
			t.Errorf("the page has the address %s", m)
		}
	}
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		switch href := m[1]; {
		case href == "data:,", href == RunFile, href == TextFile, href == GoBenchFile, href == CSVFile:
		case strings.HasPrefix(href, "#") && strings.Contains(page, `id="`+href[1:]+`"`):
		default:
			t.Errorf("link to %q", href)
		}
	}
}

// TestNothingInARunIsMarkup: names, figures and machines are text.
func TestNothingInARunIsMarkup(t *testing.T) {
	run := madeUp(2, 1)
	const evil = `"><script>alert(1)</script>'`
	run.Environment.CPU, run.Environment.Python, run.Command = evil, evil, []string{evil}
	run.Cells[4].Mode, run.Cells[4].Name = evil, evil
	run.Ledgers[0].What, run.Ledgers[0].Rows[0].Name = evil, evil
	run.Comparisons[0].What, run.Fits[0].What, run.Buys[0].Mode = evil, evil, evil
	run.BreakEven.Latency[0].Label, run.Warnings[0].Text, run.Claims[0].Go.Holds = evil, evil, evil
	var page bytes.Buffer
	if err := Page(&page, run); err != nil {
		t.Fatal(err)
	}
	if i := bytes.Index(page.Bytes(), []byte("<script")); i >= 0 {
		t.Errorf("markup came through: %s", page.Bytes()[max(0, i-100):i+50])
	}
}

// TestIDsAreUnique: two drawings of one name would take each other's titles.
func TestIDsAreUnique(t *testing.T) {
	seen := make(map[string]bool)
	d := xml.NewDecoder(strings.NewReader(pageOf(t, 2, 1)))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e, ok := token.(xml.StartElement)
		for _, a := range e.Attr {
			if ok && a.Name.Local == "id" {
				if seen[a.Value] {
					t.Errorf("two elements are %q", a.Value)
				}
				seen[a.Value] = true
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d names were found", len(seen))
	}
}

// views are the windows in which the page must be readable.
var views = []struct {
	width  int
	scheme string
}{{1280, "light"}, {1280, "dark"}, {800, "light"}, {360, "light"}, {360, "dark"}, {320, "light"}}

// TestPageInABrowser opens the page in headless Chromium as a desk and as a
// phone show it, in light and in dark, with scripts forbidden: it asks for
// nothing but itself, nothing is complained of, nothing is wider than the
// window, all text of the plots can be read and is where it can be seen, and the
// picture is one.
//
// FEEDMILL_LOOK=DIR keeps the page and whole screenshots in DIR, to be looked at;
// if there is a run.json in DIR, the page is of that run.
func TestPageInABrowser(t *testing.T) {
	b := startBrowser(t)
	dir := t.TempDir()
	look := os.Getenv("FEEDMILL_LOOK")
	run := madeUp(5, 10)
	if look != "" {
		dir = look
		if f, err := os.Open(filepath.Join(look, RunFile)); err == nil {
			defer f.Close()
			if run, err = bench.Read(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := Write(dir, run); err != nil {
		t.Fatal(err)
	}
	url := "file://" + filepath.Join(dir, PageFile)
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	for _, v := range views {
		t.Run(fmt.Sprintf("%d-%s", v.width, v.scheme), func(t *testing.T) {
			b.t = t
			b.open(url, v.width, 900, v.scheme)
			b.evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil)
			checkLayout(t, b, v.width)
			if got := b.complaints(); len(got) > 0 {
				t.Errorf("the browser complains: %s", strings.Join(got, "\n"))
			}
			if got := b.requests(); len(got) != 1 || got[0] != url {
				t.Errorf("requests: got %q, want the page alone", got)
			}
			checkPicture(t, b.screenshot(0, v.width, 1800), v.scheme)
			if look != "" {
				keepScreenshots(t, b, look, v.width, v.scheme)
			}
		})
	}
	b.t = t
}

// layoutScript looks at every text of every plot that is shown, and at what is
// wider than the window.
const layoutScript = `(() => {
  const problems = [], lum = c => { const v = c.match(/[\d.]+/g).slice(0, 3).map(x => x / 255).map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4); return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const contrast = (a, b) => { const [x, y] = [lum(a), lum(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const paper = getComputedStyle(document.body).backgroundColor;
  let texts = 0;
  for (const svg of document.querySelectorAll("svg")) {
    const box = svg.getBoundingClientRect();
    if (!box.width) continue;
    const scale = box.width / svg.viewBox.baseVal.width, seen = [];
    for (const t of svg.querySelectorAll("text")) {
      texts++;
      const style = getComputedStyle(t), size = parseFloat(style.fontSize) * scale, r = t.getBoundingClientRect();
      if (size < 12) problems.push(svg.id + ": " + size.toFixed(1) + " px: " + t.textContent);
      if (contrast(style.fill, paper) < 4.5) problems.push(svg.id + ": contrast " + contrast(style.fill, paper).toFixed(2) + ": " + t.textContent);
      if (r.left < box.left - 2 || r.right > box.right + 2 || r.bottom > box.bottom + 2 || r.top < box.top - 2) problems.push(svg.id + ": cut off: " + t.textContent);
      for (const [o, text] of seen)
        if (r.left < o.right - 1 && o.left < r.right - 1 && r.top < o.bottom - 4 && o.top < r.bottom - 4) problems.push(svg.id + ": " + t.textContent + " lies over " + text);
      seen.push([r, t.textContent]);
    }
  }
  if (texts < 50) problems.push("only " + texts + " texts in plots");
  for (const e of document.querySelectorAll("h1, h2, p, dt, dd, li, figcaption, summary, caption, th, td, td span, code, a")) {
    const style = getComputedStyle(e);
    if (contrast(style.color, paper) < 4.5) problems.push("contrast of " + e.tagName + ": " + e.textContent.slice(0, 40));
    if (parseFloat(style.fontSize) < 13) problems.push(style.fontSize + ": " + e.textContent.slice(0, 40));
  }
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) problems.push("the page is " + root.scrollWidth + " px wide");
  for (const e of document.querySelectorAll(".table, pre, .key > div, .key b"))
    if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display != "inline") problems.push(e.className + " " + e.tagName + " needs " + e.scrollWidth + " of " + e.clientWidth + " px: " + e.textContent.trim().slice(0, 60));
  return problems;
})()`

func checkLayout(t *testing.T, b *browser, width int) {
	t.Helper()
	var problems []string
	b.evaluate(layoutScript, &problems)
	for _, p := range problems {
		t.Errorf("at %d px: %s", width, p)
	}
}

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
		t.Errorf("the screenshot has %d colours, want those of text and plots", len(colours))
	}
	if dark := paper&0xff < 0x80; dark != (scheme == "dark") {
		t.Errorf("the paper is #%06x, want it %s", paper, scheme)
	}
}

// keepScreenshots writes the whole page in pieces that can be looked at.
func keepScreenshots(t *testing.T, b *browser, dir string, width int, scheme string) {
	t.Helper()
	var height float64
	b.evaluate("document.documentElement.scrollHeight", &height)
	const piece = 2000
	for y := 0; y < int(height); y += piece {
		name := filepath.Join(dir, fmt.Sprintf("%d-%s-%02d.png", width, scheme, y/piece))
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(png.Encode(f, b.screenshot(y, width, min(piece, int(height)-y))), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
