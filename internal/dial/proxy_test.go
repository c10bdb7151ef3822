package dial

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A proxy in the environment may be inside this network; it is exempt by its port too.
func TestProxyAddress(t *testing.T) {
	for in, expected := range map[string]string{
		"http://proxy.lan:3128": "proxy.lan:3128", "http://proxy.lan": "proxy.lan:80", "https://proxy.lan": "proxy.lan:443", "socks5://[::1]": "[::1]:1080",
	} {
		r := httptest.NewRequest(http.MethodGet, in, nil)
		if got := proxyAddress(r.URL); got != expected {
			t.Errorf("%s: got %s, expected %s", in, got, expected)
		}
	}
}
