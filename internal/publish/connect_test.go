package publish

import (
	"errors"
	"net/url"
	"testing"

	"facerec/internal/dial"
)

// A page and what it redirects to may lead inside this network by any name: only a
// page that is there, or the caller, may send us there.
func TestConnect(t *testing.T) {
	type step struct {
		host, ip string
		refused  bool
	}
	for _, c := range []struct {
		name     string
		page     string
		insecure []string
		steps    []step
	}{
		{"a page outside", "https://forge.example/p", nil, []step{{"forge.example", "203.0.113.5", false}, {"cdn.example", "203.0.113.6", false}, {"cdn.example", "10.1.2.3", true}, {"cdn.example", "::ffff:127.0.0.1", true}, {"cdn.example", "169.254.169.254", true}}},
		{"a page inside", "https://forge.lan/p", nil, []step{{"storage.lan", "10.0.0.2", true}, {"forge.lan", "10.0.0.1", false}, {"storage.lan", "10.0.0.2", false}}},
		{"a host that the caller named", "https://forge.example/p", []string{"cdn.lan:8080"}, []step{{"forge.example", "203.0.113.5", false}, {"cdn.lan", "10.0.0.2", false}, {"other.lan", "10.0.0.2", true}}},
		{"and without a port", "https://forge.example/p", []string{"cdn.lan"}, []step{{"CDN.lan", "10.0.0.2", false}}},
	} {
		page, err := url.Parse(c.page)
		if err != nil {
			t.Fatal(err)
		}
		connect := Options{Insecure: c.insecure}.connect(page)
		for _, s := range c.steps {
			var inside *dial.InsideError
			if err := connect(t.Context(), s.host, s.ip); errors.As(err, &inside) != s.refused {
				t.Errorf("%s: %s at %s: got %v, refused expected: %v", c.name, s.host, s.ip, err, s.refused)
			}
		}
	}
}
