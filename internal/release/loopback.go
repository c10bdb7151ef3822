package release

import "net"

// Loopback reports whether a host, without port and brackets, is this machine:
// the only one that may be reached over plain HTTP without permission.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
