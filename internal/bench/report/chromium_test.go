package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// A browser is a headless Chromium that is spoken to over two pipes, in its
// DevTools protocol (https://chromedevtools.github.io/devtools-protocol):
// JSON messages that end with a zero byte, on its descriptors 3 and 4.
//
// Rejected: a library for it. Twenty lines need no WebSocket and no port.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	session string // of the one page
	next    int
	events  []message // that came while an answer was waited for
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startBrowser starts Chromium with an empty page, and ends it with the test. It
// skips the test where there is none, unless FEEDMILL_CHROMIUM says which one
// there must be.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := os.Getenv("FEEDMILL_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); path == "" && err == nil {
			path = found
		}
	}
	if path == "" {
		t.Skip("no Chromium to look at the page with: apt-get install chromium, or name one with FEEDMILL_CHROMIUM")
	}
	theirs3, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, theirs4, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
		"--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{theirs3, theirs4}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs3.Close()
	theirs4.Close()
	// A browser that hangs is to fail this test and not the time limit of all.
	from.SetReadDeadline(time.Now().Add(5 * time.Minute))
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	t.Cleanup(func() {
		b.session = ""
		b.send("Browser.close", nil) // so that its folder is its own no longer
		cmd.Wait()
		to.Close()
		from.Close()
		if t.Failed() {
			t.Logf("chromium said:\n%s", stderr.Bytes())
		}
	})
	if err = b.send("Browser.getVersion", nil); err == nil {
		_, err = b.from.ReadBytes(0)
	}
	if err != nil && os.Getenv("FEEDMILL_CHROMIUM") == "" {
		t.Skipf("%s does not start: %v", path, err)
	}
	var target struct {
		TargetID string `json:"targetId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Network", "Log", "Runtime", "Security", "Audits"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func (b *browser) send(method string, params any) error {
	b.next++
	m := map[string]any{"id": b.next, "method": method}
	if params != nil {
		m["params"] = params
	}
	if b.session != "" {
		m["sessionId"] = b.session
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = b.to.Write(append(text, 0))
	return err
}

// read returns the next message.
func (b *browser) read() message {
	b.t.Helper()
	text, err := b.from.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("read from chromium: %v", err)
	}
	var m message
	if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
		b.t.Fatalf("chromium sent %q: %v", text, err)
	}
	return m
}

// call waits for the answer to a command, and keeps the events that come before
// it.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	if err := b.send(method, params); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		m := b.read()
		if m.ID != b.next {
			b.events = append(b.events, m)
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

// open loads a page as a device of that width and colour scheme shows it, and
// returns when it has loaded.
func (b *browser) open(url string, width, height int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.events = nil
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	for !slices.ContainsFunc(b.events, func(m message) bool { return m.Method == "Page.loadEventFired" }) {
		b.events = append(b.events, b.read())
	}
}

// evaluate runs an expression in the page and decodes what it is worth.
func (b *browser) evaluate(expression string, result any) {
	b.t.Helper()
	var r struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails json.RawMessage `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("evaluate %s: %s", expression, r.ExceptionDetails)
	}
	if result == nil {
		return
	}
	if err := json.Unmarshal(r.Result.Value, result); err != nil {
		b.t.Fatalf("evaluate %s: %v", expression, err)
	}
}

// screenshot returns height pixels of the page from y on.
func (b *browser) screenshot(y, width, height int) image.Image {
	b.t.Helper()
	var shot struct {
		Data []byte `json:"data"` // base64 in JSON, as Go has it
	}
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true, "optimizeForSpeed": true,
		"clip": map[string]any{"x": 0, "y": y, "width": width, "height": height, "scale": 1}}, &shot)
	picture, err := png.Decode(bytes.NewReader(shot.Data))
	if err != nil {
		b.t.Fatalf("screenshot: %v", err)
	}
	return picture
}

// complaints are the console's errors and warnings, and whatever else the
// browser found wrong, since the page was opened.
func (b *browser) complaints() (all []string) {
	for _, m := range b.events {
		switch m.Method {
		case "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Audits.issueAdded":
			all = append(all, fmt.Sprintf("%s: %s", m.Method, m.Params))
		}
	}
	return all
}

// requests are the addresses that were asked for, but those in the page itself.
func (b *browser) requests() (all []string) {
	for _, m := range b.events {
		if m.Method != "Network.requestWillBeSent" {
			continue
		}
		var p struct {
			Request struct {
				URL string `json:"url"`
			} `json:"request"`
		}
		if err := json.Unmarshal(m.Params, &p); err != nil {
			b.t.Fatal(err)
		}
		if !strings.HasPrefix(p.Request.URL, "data:") {
			all = append(all, p.Request.URL)
		}
	}
	return all
}
