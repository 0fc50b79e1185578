package feeds

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestPortsAreThoseOfTheRound(t *testing.T) {
	t.Setenv("HTTP_PROXY", "proxy.example:3128")
	t.Setenv("HTTPS_PROXY", "socks5://proxy.example")
	for _, name := range []string{"http_proxy", "https_proxy"} {
		t.Setenv(name, "")
	}
	refs := []Ref{
		{URL: "https://a.example/feed"}, {URL: "http://b.example:8080/feed"}, {URL: "http://u:p@[2001:db8::1]:81/"},
		{URL: "http://c.example:8080/:9/"}, {URL: "http://d.example/x:99/"}, {URL: "no URL"},
	}
	for _, tt := range []struct {
		o    Options
		want []uint16
	}{
		{Options{}, []uint16{80, 81, 443, 8080}},
		{Options{Ports: []uint16{8443, 80}}, []uint16{80, 81, 443, 8080, 8443}},
		{Options{Proxy: "env"}, []uint16{80, 81, 443, 1080, 3128, 8080}},
		{Options{Proxy: "http://user:word@proxy.example:3129"}, []uint16{3129}},
		{Options{Proxy: "https://proxy.example", Ports: []uint16{8443}}, []uint16{443}},
		{Options{Proxy: "http://proxy.example/"}, []uint16{80}},
		{Options{Proxy: "socks5h://proxy.example"}, []uint16{1080}},
	} {
		if got := ConnectPorts(refs, tt.o); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: ports %d, want %d", tt.o, got, tt.want)
		}
	}
	if got := ConnectPorts(nil, Options{}); !slices.Equal(got, []uint16{80, 443}) {
		t.Errorf("no feeds: ports %d, want those of the web", got)
	}
}

// TestARedirectToAnotherPortIsRefused unless it was allowed, which the hint
// says how to do.
func TestARedirectToAnotherPortIsRefused(t *testing.T) {
	asked := 0
	target := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		io.WriteString(w, feedBody(1))
	})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, http.StatusFound) })
	refs := []Ref{{ID: 1, URL: s.URL}}

	res := get(t, refresher(t, Options{Ports: ConnectPorts(refs, Options{})}), s.URL)
	wantClass(t, res, BlockedAddress)
	u, _ := url.Parse(target.URL)
	if want := "add --allow-port " + u.Port(); res.Hint != want || !strings.Contains(res.Detail, u.Port()) || asked > 0 {
		t.Errorf("detail %q, hint %q, asked %d times, want the hint %q and no request", res.Detail, res.Hint, asked, want)
	}

	also := refresher(t, Options{Ports: ConnectPorts(append(refs, Ref{ID: 2, URL: target.URL}), Options{})})
	wantClass(t, get(t, also, s.URL), OK)
}
