package inputs

import (
	"testing"
)

const vendorEntries = `Types: deb
URIs: https://vendor.example/repo
Suites: nodistro
Components: main

Types: deb
URIs: https://vendor.example/bookworm
Suites: bookworm
Components: stable

`

func TestPickDebian(t *testing.T) {
	tests := []struct {
		name, deb822, list string
		want               string // rendered for sid; empty: none
	}{
		{
			name: "deb822 among others",
			deb822: vendorEntries + `# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`,
			want: "Types: deb\nURIs: http://mirror.example/debian\nSuites: sid\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
		},
		{
			name: "one line",
			list: "deb https://vendor.example/x cloud-bookworm main\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main # ours\n",
			want: "Types: deb\nURIs: http://mirror.example/debian\nSuites: sid\nComponents: main\nSigned-By: /k.gpg\n",
		},
		{
			name: "plain one line",
			list: "# deb http://old.example/debian bookworm main\ndeb http://mirror.example/debian stable main\n",
			want: "Types: deb\nURIs: http://mirror.example/debian\nSuites: sid\nComponents: main\n",
		},
		{
			name: "a key in place",
			deb822: `Types: deb
URIs: http://mirror.example/debian
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
`,
			want: "Types: deb\nURIs: http://mirror.example/debian\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n",
		},
		{name: "switched off", deb822: "Types: deb\nURIs: http://m.example\nSuites: sid\nComponents: main\nEnabled: no\n"},
		{name: "security only", deb822: "Types: deb\nURIs: http://m.example\nSuites: bookworm-security\nComponents: main\n"},
		{name: "others only", deb822: vendorEntries},
		{name: "nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, ok := pickDebian(append(parseList(tt.list), parseDeb822(tt.deb822)...))
			if !ok {
				if tt.want != "" {
					t.Error("none found")
				}
				return
			}
			if got := e.render("deb", "sid"); got != tt.want {
				t.Errorf("got\n%s\nexpected\n%s", got, tt.want)
			}
		})
	}
}

// TestRenderAgain wants what is written to be read back the same.
func TestRenderAgain(t *testing.T) {
	e := source{uris: []string{"http://a.example/debian"}, signedBy: "\n line\n .\n end"}
	text := e.render("deb", "bookworm")
	got := parseDeb822(text)
	if len(got) != 1 || got[0].render("deb", "bookworm") != text {
		t.Errorf("read back as %+v from\n%s", got, text)
	}
}

// TestUnsignedEntriesAreNotUsed has every way to write an entry for which apt
// would not check signatures.
func TestUnsignedEntriesAreNotUsed(t *testing.T) {
	const signed = "deb http://signed.example/debian bookworm main\n"
	list := func(options string) string { return "deb [" + options + "] http://open.example/debian bookworm main\n" }
	stanza := func(field string) string {
		return "Types: deb\nURIs: http://open.example/debian\nSuites: bookworm\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n" + field + "\n"
	}
	for _, c := range []struct {
		name, list, deb822 string
		insecure           bool
	}{
		{"trusted=yes", list("trusted=yes"), "", true},
		{"among others", list("arch=amd64 Trusted=yes signed-by=/k.gpg"), "", true},
		{"another word for yes", list("trusted=true"), "", true},
		{"added", list("trusted+=yes"), "", true},
		{"allow-insecure", list("allow-insecure=yes"), "", true},
		{"allow-weak", list("allow-weak=yes"), "", true},
		{"allow-downgrade-to-insecure", list("allow-downgrade-to-insecure=yes"), "", true},
		{"trusted=no", list("trusted=no"), "", false},
		{"Trusted: yes", "", stanza("Trusted: yes"), true},
		{"trusted: 1", "", stanza("trusted: 1"), true},
		{"Allow-Insecure", "", stanza("Allow-Insecure: yes"), true},
		{"Allow-Weak", "", stanza("Allow-Weak: YES"), true},
		{"Allow-Downgrade-To-Insecure", "", stanza("Allow-Downgrade-To-Insecure: on"), true},
		{"Trusted: no", "", stanza("Trusted: no"), false},
		{"no option", "", stanza("Architectures: amd64"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			open := append(parseList(c.list), parseDeb822(c.deb822)...)
			if e, ok := pickDebian(open); !ok || (e.insecure != "") != c.insecure {
				t.Errorf("alone: %+v, %v; expected insecure %v", e, ok, c.insecure)
			}
			if !c.insecure {
				return
			}
			for order, all := range map[string][]source{"before": append(open, parseList(signed)...), "after": append(parseList(signed), open...)} {
				if e, ok := pickDebian(all); !ok || e.insecure != "" || e.uris[0] != "http://signed.example/debian" {
					t.Errorf("%s a signed entry: picked %+v", order, e)
				}
			}
		})
	}
}

func FuzzSources(f *testing.F) {
	f.Add(vendorEntries)
	f.Add("deb [trusted=yes] http://a b c\n")
	f.Add("deb [")
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range append(parseList(text), parseDeb822(text)...) {
			_ = e.render("deb", "sid")
		}
	})
}
