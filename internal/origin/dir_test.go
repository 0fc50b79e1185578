package origin

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestDirServesItsFilesAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("served/a b?.rss", "<rss/>")
	write("served/sub/x.json", "{}")
	write("served/odd.bin", "\x00\xff")
	write("served/.hidden", "h")
	write("secret.txt", "secret")
	link := os.Symlink(filepath.Join(dir, "secret.txt"), filepath.Join(dir, "served", "out.txt"))
	s := start(t, Options{Dir: filepath.Join(dir, "served"), Feeds: -1})
	base := "http://" + s.Addr() + "/dir/"
	want := []string{base + "a%20b%3F.rss", base + "odd.bin", base + "sub/x.json"}
	if got := slices.Collect(s.URLs()); !slices.Equal(got, want) {
		t.Errorf("URLs: got %q, want %q", got, want)
	}
	c := client(t)
	for _, tt := range []struct {
		path, contentType, body string
		status                  int
	}{
		{"a%20b%3F.rss", "application/rss+xml", "<rss/>", 200},
		{"sub/x.json", "application/feed+json", "{}", 200},
		{"odd.bin", "application/octet-stream", "\x00\xff", 200},
		{"%2e%2e/secret.txt", "", "", 404},
		{"sub", "", "", 404},
		{"none.rss", "", "", 404},
		{"out.txt", "", "", 404},
	} {
		if tt.path == "out.txt" && link != nil {
			continue // no symbolic links here
		}
		resp, body := get(t, c, base+tt.path)
		if resp.StatusCode != tt.status || tt.status == 200 && (resp.Header.Get("Content-Type") != tt.contentType || string(body) != tt.body) {
			t.Errorf("%s: got %d %q %q, want %d %q %q", tt.path, resp.StatusCode, resp.Header.Get("Content-Type"), body, tt.status, tt.contentType, tt.body)
		}
	}
	resp, _ := get(t, c, want[0])
	if resp, _ := get(t, c, want[0], "If-None-Match", resp.Header.Get("ETag")); resp.StatusCode != 304 {
		t.Errorf("file with its ETag: got %d, want 304", resp.StatusCode)
	}
	write("served/a b?.rss", "<rss></rss>")
	if resp, body := get(t, c, want[0], "If-None-Match", resp.Header.Get("ETag")); resp.StatusCode != 200 || string(body) != "<rss></rss>" {
		t.Errorf("changed file with the old ETag: got %d %q, want 200 and the new bytes", resp.StatusCode, body)
	}
}
