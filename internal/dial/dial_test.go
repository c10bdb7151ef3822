package dial_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"facerec/internal/dial"
)

// The address is checked before anything is sent, whatever name leads there, and for
// a redirect too.
func TestTransport(t *testing.T) {
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Path == "/redirect" {
			_, port, _ := net.SplitHostPort(r.Host)
			http.Redirect(w, r, "http://localhost:"+port+"/", http.StatusFound)
		}
	}))
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	for _, c := range []struct {
		name, url string
		allow     string // the host
		requests  int64
		err       error
	}{
		{"allowed", s.URL, "127.0.0.1", 1, nil},
		{"not allowed", s.URL, "other.example", 0, refused},
		{"a name", "http://localhost:" + u.Port(), "localhost", 1, nil},
		{"a name that is not allowed", "http://localhost:" + u.Port(), "127.0.0.1", 0, refused},
		{"a redirect", s.URL + "/redirect", "127.0.0.1", 1, refused},
	} {
		requests.Store(0)
		transport := dial.Transport(func(_ context.Context, host, ip string) error {
			if !net.ParseIP(ip).IsLoopback() {
				t.Errorf("%s: got the address %q", c.name, ip)
			}
			if host != c.allow {
				return refused
			}
			return nil
		})
		resp, err := (&http.Client{Transport: transport}).Get(c.url)
		if err == nil {
			_ = resp.Body.Close()
		}
		transport.CloseIdleConnections()
		if !errors.Is(err, c.err) || requests.Load() != c.requests {
			t.Errorf("%s: got %v after %d requests, expected %v after %d", c.name, err, requests.Load(), c.err, c.requests)
		}
	}
}

func TestInsideError(t *testing.T) {
	for expected, e := range map[string]dial.InsideError{
		"refusing to connect to 127.1, an address inside this network that was not requested":                   {Host: "127.1"},
		"refusing to connect to 10.0.0.1, an address inside this network that was not requested":                {Host: "10.0.0.1", IP: "10.0.0.1"},
		"refusing to connect to cdn.example at 10.0.0.1, an address inside this network that was not requested": {Host: "cdn.example", IP: "10.0.0.1"},
	} {
		if got := e.Error(); got != expected {
			t.Errorf("got %q, expected %q", got, expected)
		}
	}
}

func TestHostname(t *testing.T) {
	for in, expected := range map[string]string{
		"r.example": "r.example", "r.example:5000": "r.example", "127.0.0.1:80": "127.0.0.1", "[::1]:80": "::1", "[::1]": "::1", "::1": "::1", "": "",
	} {
		if got := dial.Hostname(in); got != expected {
			t.Errorf("%s: got %q, expected %q", in, got, expected)
		}
	}
}
