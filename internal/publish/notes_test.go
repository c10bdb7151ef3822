package publish

import (
	"strings"
	"testing"

	"facerec/internal/release"
)

func TestSection(t *testing.T) {
	for name, c := range map[string]struct{ log, want, err string }{
		"plain":       {"# C\n\n## 1.2.3\n\ntext\n\n## 1.2.2\nold\n", "text", ""},
		"brackets":    {"## [1.2.3] - 2026-01-01\ntext\n[1.2.3]: https://x\n", "text", ""},
		"v":           {"## v1.2.3\ntext", "text", ""},
		"link":        {"## [1.2.3](https://x) (2026)\ntext", "text", ""},
		"subsections": {"## 1.2.3\n### Added\n- a\n### Fixed\n- b\n# end\nno", "### Added\n- a\n### Fixed\n- b", ""},
		"definition":  {"## 1.2.3\nsee [it]\n## 1.2.2\n[it]: https://x\n[no]: https://y\n", "see [it]\n\n[it]: https://x", ""},
		"fence":       {"## 1.2.3\n```\n## 1.0.0\n```\nrest\n## 1.2.2\n", "```\n## 1.0.0\n```\nrest", ""},
		"fenced only": {"```\n## 1.2.3\ntext\n```\n", "", "no section"},
		"crlf":        {"## 1.2.3\r\ntext\r\n## 1\r\n", "text", ""},
		"missing":     {"## 1.2.30\ntext", "", "no section for version 1.2.3"},
		"prerelease":  {"## 1.2.3-rc.1\ntext", "", "no section"},
		"empty":       {"## 1.2.3\n\n## 1.2.2\nold", "", "is empty"},
		"twice":       {"## 1.2.3\na\n## 1.2.3\nb", "", "2 sections"},
		"no file":     {"", "", "no section"},
		"binary":      {"## 1.2.3\n\xff", "", "UTF-8"},
	} {
		got, err := Section(c.log, "1.2.3")
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestNotes(t *testing.T) {
	files := []File{{Name: "a|b`c", Digest: release.DigestBytes([]byte("x"))}}
	got := Notes("What changed.", files, "releaser fetch x")
	want := "What changed.\n\n## Assets\n\n| Asset | SHA-256 |\n| --- | --- |\n| `a\\|b'c` | `" + files[0].Digest.Hex() + "` |\n\nDownload, verify and only then keep them:\n\n```sh\nreleaser fetch x\n```\n"
	if got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}

func TestPins(t *testing.T) {
	r := release.Record{Project: "tool", Version: "1.0.0", Signer: &release.Signer{Identity: "https://h/o/r/.github/workflows/w.yml@refs/tags/v1.0.0", Issuer: "https://i"}}
	p, ok := PinOf("https://h/o/r", r)
	if !ok || p.SAN != "https://h/o/r/.github/workflows/w.yml@refs/tags/{tag}" {
		t.Fatalf("%+v", p)
	}
	if _, san := p.Identity("2.0.0"); san != "https://h/o/r/.github/workflows/w.yml@refs/tags/v2.0.0" {
		t.Error(san)
	}
	file := t.TempDir() + "/pins"
	if err := WritePins(file, []Pin{p}); err != nil {
		t.Fatal(err)
	}
	pins, err := ReadPins(file)
	if err != nil || len(pins) != 1 || pins[0] != p {
		t.Errorf("%+v, %v", pins, err)
	}
	q := p
	q.SAN += "x"
	if p.Digest() == q.Digest() {
		t.Error("two pins have one digest")
	}
	for _, bad := range []string{"", "{}", `{"schema":"releaser.trust/v2"}`, `{"schema":"releaser.trust/v1","pins":[{}]}`, `{"schema":"releaser.trust/v1","x":1}`,
		`{"schema":"releaser.trust/v1","pins":[{"page":"a","project":"b","issuer":"c","san":"d"},{"page":"a","project":"b","issuer":"c","san":"e"}]}`} {
		if _, err := parsePins([]byte(bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func FuzzSection(f *testing.F) {
	f.Add("## [1.2.3]\ntext\n[1.2.3]: x")
	f.Add("```\n## 1.2.3")
	f.Fuzz(func(t *testing.T, log string) {
		if got, err := Section(log, "1.2.3"); err == nil && strings.TrimSpace(got) == "" {
			t.Error("an empty section")
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"schema":"releaser.releases/v1","releases":[{"tag":"v1.0.0","assets":[{"name":"a","size":1,"digest":"sha256:` + strings.Repeat("0", 64) + `"}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := parseIndex(raw)
		for _, r := range x.Releases {
			for _, a := range r.Assets {
				if err == nil && strings.ContainsAny(a.Name, "/\\\x00") {
					t.Errorf("name %q", a.Name)
				}
			}
		}
	})
}

func FuzzPins(f *testing.F) {
	f.Add([]byte(`{"schema":"releaser.trust/v1","pins":[{"page":"a","project":"b","issuer":"c","san":"d"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if pins, err := parsePins(raw); err == nil {
			for _, p := range pins {
				if p.Page == "" || p.SAN == "" {
					t.Error("an empty pin")
				}
			}
		}
	})
}
