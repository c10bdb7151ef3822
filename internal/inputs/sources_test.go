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
	e := source{uris: []string{"http://a.example/debian"}, signedBy: "\n line\n .\n end", trusted: "yes"}
	text := e.render("deb", "bookworm")
	got := parseDeb822(text)
	if len(got) != 1 || got[0].render("deb", "bookworm") != text {
		t.Errorf("read back as %+v from\n%s", got, text)
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
