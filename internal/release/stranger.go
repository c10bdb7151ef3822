package release

import (
	"net"
	"strings"
)

// OneLine makes one line of what a stranger's file, server or library says: line
// ends and control characters are taken out, and what is longer than most bytes is
// cut.
func OneLine(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r <= 0x9f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + " …"
	}
	return s
}

// Loopback says whether a host, without port and brackets, is this machine: the
// only one with which plain HTTP is spoken unasked.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
