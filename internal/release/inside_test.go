package release

import "testing"

func TestInside(t *testing.T) {
	for host, expected := range map[string]bool{
		"localhost": true, "localhost.": true, "LOCALHOST": true, "a.localhost.": true,
		"127.0.0.1": true, "127.1": true, "127.0.1": true, "2130706433": true, "0x7f.1": true, "0177.0.0.1": true, "0": true,
		"10.1.2.3": true, "172.16.0.1": true, "192.168.1.1": true, "169.254.169.254": true, "100.64.0.1": true, "100.127.255.255": true,
		"::1": true, "::": true, "fe80::1": true, "fe80::1%eth0": true, "fd00::1": true, "::ffff:10.0.0.1": true, "::127.0.0.1": true,
		"64:ff9b::7f00:1": true, "64:ff9b::10.0.0.1": true, "64:ff9b:1::1": true, "2002:a00:1::": true, "224.0.0.1": true, "ff02::1": true,
		"registry.example": false, "8.8.8.8": false, "100.128.0.1": false, "64:ff9b::808:808": false, "2001:4860::1": false, "172.32.0.1": false,
		"example": false, "1.2.3.4.5": false, "256.1": false, "": false,
	} {
		if got := Inside(host); got != expected {
			t.Errorf("%s: got %t, expected %t", host, got, expected)
		}
	}
}
