package hooks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestExecGivesItemsAndTellsHowItEnded.
func TestExecGivesItemsAndTellsHowItEnded(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh here")
	}
	for _, c := range []struct {
		command, prints, fails string
	}{
		{"cat", "items\n", ""},
		{"true", "", ""}, // which reads nothing
		{"cat; exit 3", "items\n", "exit status 3"},
		{"no-such-program-here", "", "exit status 127"},
	} {
		var out, errs bytes.Buffer
		err := Exec(t.Context(), c.command, strings.NewReader("items\n"), &out, &errs)
		if out.String() != c.prints || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: printed %q, %v, want %q, %q", c.command, &out, err, c.prints, c.fails)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := Exec(ctx, "exec sleep 60", strings.NewReader(""), io.Discard, io.Discard); err == nil {
		t.Error("a hook that never ends was not ended")
	}
}

// TestPostsAreSignedAndTriedAgain: until a server takes one, or says that it never
// will.
func TestPostsAreSignedAndTriedAgain(t *testing.T) {
	const key, body = "secret", `{"items":[]}`
	for _, c := range []struct {
		answers []int
		want    int // requests
		fails   string
	}{
		{[]int{200}, 1, ""},
		{[]int{503, 429, 204}, 3, ""},
		{[]int{500, 500, 500, 500, 500}, tries, "answered 500"},
		{[]int{404, 200}, 1, "answered 404"},
		{[]int{302, 200}, 1, "answered 302"},
	} {
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			got, _ := io.ReadAll(req.Body)
			mac := hmac.New(sha256.New, []byte(key))
			mac.Write(got)
			if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); string(got) != body || req.Header.Get(signatureHeader) != want {
				t.Errorf("got %q signed %s, want %q signed %s", got, req.Header.Get(signatureHeader), body, want)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.answers[asked])
			asked++
		}))
		err := (&Post{URL: s.URL, Key: key, Pause: time.Millisecond}).Send(t.Context(), []byte(body))
		s.Close()
		if asked != c.want || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%v: %d requests, %v, want %d, %q", c.answers, asked, err, c.want, c.fails)
		}
	}
}

// TestWhatFailsIsSaidInWords, and in none of net/http's.
func TestWhatFailsIsSaidInWords(t *testing.T) {
	handler := func(f http.HandlerFunc) *httptest.Server {
		s := httptest.NewUnstartedServer(f)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		return s
	}
	silent := handler(func(_ http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body) // else its end is not heard
		<-req.Context().Done()
	})
	silent.Start()
	defer silent.Close()
	rude := handler(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	rude.Start()
	defer rude.Close()
	strange := handler(func(http.ResponseWriter, *http.Request) {})
	strange.StartTLS()
	defer strange.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct{ url, want string }{
		{silent.URL, "no answer in time"},
		{rude.URL, "it closed the connection and did not answer"},
		{strange.URL, "its certificate is not trusted"},
		{gone.URL, "connection refused"},
		{"http://nowhere.invalid/", "no address of nowhere.invalid"},
	} {
		p := &Post{URL: c.url, Pause: time.Millisecond, Client: &http.Client{Timeout: 200 * time.Millisecond}}
		if c.url != silent.URL {
			p.Client = nil
		}
		err := p.Send(t.Context(), []byte("{}"))
		if want := "post to " + c.url + ": " + c.want; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
