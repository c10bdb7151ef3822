package release

import "testing"

func TestOneLine(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"plain", 10, "plain"},
		{" a\r\n\tb\x1b[31m c ", 99, "a b [31m c"},
		{"bad \xff byte", 99, "bad ? byte"},
		{"abcdef", 3, "abc …"},
		{"aé", 2, "a …"}, // never half a letter
	} {
		if got := OneLine(c.in, c.most); got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.example": false, "10.0.0.1": false, "127.0.0.1.example": false, "0.0.0.0": false,
	} {
		if got := Loopback(host); got != want {
			t.Errorf("%q: got %t", host, got)
		}
	}
}
