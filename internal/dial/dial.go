// Package dial connects to hosts whose names come from outside: from a release, a
// registry's answer, a page's redirect. What a name says is not where it leads, so
// the address is looked at when it is known and before anything is sent there.
package dial

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"facerec/internal/text"
)

// Transport is [http.DefaultTransport], but for each address that it is about to
// connect to, check gets the context of the request, the host as it was named,
// without its port, and the IP address that it leads to. An error of check refuses
// the connection. Proxies that the environment names are not checked: they look up
// the addresses themselves.
func Transport(check func(ctx context.Context, host, ip string) error) *http.Transport {
	var proxies sync.Map // HOST:PORT
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			u, err := http.ProxyFromEnvironment(r)
			if u != nil {
				proxies.Store(proxyAddress(u), true)
			}
			return u, err
		},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			d := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			if _, proxy := proxies.Load(address); !proxy {
				d.Control = func(_, dialled string, _ syscall.RawConn) error {
					ip, _, err := net.SplitHostPort(dialled)
					if err != nil {
						return err
					}
					return check(ctx, host, ip)
				}
			}
			return d.DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// Hostname takes the port and brackets from HOST[:PORT].
func Hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(host, "[]")
}

// proxyAddress is the address that a proxy is connected to.
func proxyAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// InsideError is a refusal to connect to this machine or its network.
type InsideError struct {
	Host   string // as it was named
	IP     string // that it leads to; empty if only the name was looked at
	Advice string // how to allow it
}

func (e *InsideError) Error() string {
	if e.IP == "" || e.IP == e.Host {
		return fmt.Sprintf("refusing to connect to %s, an address inside this network that was not requested", text.Show(e.Host))
	}
	return fmt.Sprintf("refusing to connect to %s at %s, an address inside this network that was not requested", text.Show(e.Host), e.IP)
}

// Hint says how to allow it.
func (e *InsideError) Hint() string { return e.Advice }
