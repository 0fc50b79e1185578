package fetch

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"feedmill/internal/feeds"
)

// TestValidatorsGoToTheURLThatGaveThem: of servers that a redirect chooses between,
// one must not be asked whether it still has what another one served.
func TestValidatorsGoToTheURLThatGaveThem(t *testing.T) {
	to := "/one"
	var sent []string
	s := serve(t, func(w http.ResponseWriter, req *http.Request) {
		sent = append(sent, req.URL.Path+" "+req.Header.Get("If-None-Match")+req.Header.Get("If-Modified-Since"))
		if req.URL.Path == "/" {
			w.Header().Set("ETag", "redirect")
			http.Redirect(w, req, to, http.StatusFound)
			return
		}
		w.Header().Set("ETag", req.URL.Path)
		if req.Header.Get("If-None-Match") == req.URL.Path {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, feedBody(len(req.URL.Path)))
	})
	r := refresher(t, feeds.Options{})
	job := feeds.Job{ID: 1, URL: s.URL}
	for i, step := range []struct {
		to   string
		want feeds.Class
		sent string
	}{
		{"/one", feeds.OK, "[/  /one ]"},
		{"/one", feeds.NotModified, "[/  /one /one]"},
		{"/another", feeds.OK, "[/  /another ]"},
		{"/another", feeds.NotModified, "[/  /another /another]"},
		{"/one", feeds.OK, "[/  /one ]"},
	} {
		sent, to = nil, step.to
		res := r.Refresh(t.Context(), job)
		wantClass(t, res, step.want)
		if got := fmt.Sprint(sent); got != step.sent || res.Validators.URL != s.URL+step.to {
			t.Errorf("step %d: sent %s, validators of %q, want %s and %q", i, got, res.Validators.URL, step.sent, s.URL+step.to)
		}
		job.Validators = res.Validators
	}
	job = feeds.Job{ID: 2, URL: s.URL + "/one", Validators: feeds.Validators{ETag: "/one"}}
	if res := r.Refresh(t.Context(), job); res.Class != feeds.NotModified || res.Validators.URL != "" {
		t.Errorf("the feed's own: %s, validators of %q, want not_modified and none", res.Class, res.Validators.URL)
	}
	// A feed that moved to where its validators came from.
	job.Validators.URL = s.URL + "/one"
	wantClass(t, r.Refresh(t.Context(), job), feeds.NotModified)
}
