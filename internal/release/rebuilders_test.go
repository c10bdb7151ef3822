package release

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const twoRebuilders = `{
  "require": 2,
  "rebuilders": [
    {"name": "ann", "keyless": {"issuer": "https://login.example", "san": "ann@example.com"}},
    {"name": "bob", "key": {"file": "bob.pub", "unsafe_no_transparency_log": true}}
  ]
}`

func TestParseRebuilders(t *testing.T) {
	var checked []string
	got, err := ParseRebuilders("r.json", []byte(twoRebuilders), 0, func(r Rebuilder) error {
		checked = append(checked, r.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Require != 2 || len(got.List) != 2 || *got.List[0].Keyless != (KeylessRebuilder{Issuer: "https://login.example", SAN: "ann@example.com"}) ||
		*got.List[1].Key != (KeyRebuilder{File: "bob.pub", UnsafeNoTransparencyLog: true}) || strings.Join(checked, " ") != "ann bob" {
		t.Errorf("got %+v, checked %v", got, checked)
	}
	none := strings.Replace(twoRebuilders, `"require": 2,`, "", 1)
	for require, want := range map[int]int{0: 1, 2: 2} {
		if got, err := ParseRebuilders("r.json", []byte(none), require, func(Rebuilder) error { return nil }); err != nil || got.Require != want {
			t.Errorf("%d: got %d, %v", require, got.Require, err)
		}
	}
}

func TestRebuildersAreRefused(t *testing.T) {
	const ann = `{"name": "ann", "keyless": {"issuer": "i", "san": "s"}}`
	list := func(entries ...string) string { return `{"rebuilders": [` + strings.Join(entries, ",\n") + `]}` }
	for _, c := range []struct {
		name, text string
		require    int
		want       string
	}{
		{"not JSON", `{"rebuilders": [`, 0, "r.json:1:17: the document ends too early"},
		{"not an object", `[]`, 0, "r.json:1:1: expected an object, got a list"},
		{"nobody", `{"rebuilders": []}`, 0, "r.json:1:16: rebuilders: expected at least 1 rebuilder, got 0"},
		{"missing", `{}`, 0, "r.json:1:1: rebuilders: is missing"},
		{"unknown key", `{"rebuilder": [` + ann + `]}`, 0, `r.json:1:2: rebuilder: unknown key, did you mean "rebuilders"?`},
		{"unknown key of an entry", list(`{"name": "ann", "nick": "a", "keyless": {"issuer": "i", "san": "s"}}`), 0, "r.json:1:33: rebuilders[0].nick: unknown key"},
		{"unknown key of a kind", list(`{"name": "ann", "keyless": {"issuer": "i", "san": "s", "email": 1}}`), 0, "r.json:1:72: rebuilders[0].keyless.email: unknown key"},
		{"no name", list(`{"keyless": {"issuer": "i", "san": "s"}}`), 0, "r.json:1:17: rebuilders[0].name: is missing"},
		{"two of one name", list(ann, ann), 0, `r.json:2:10: rebuilders[1].name: "ann" is the name of another rebuilder`},
		{"no kind", list(`{"name": "ann"}`), 0, "r.json:1:17: rebuilders[0]: expected exactly one of keyless, key, rebuilderd, got 0"},
		{"two kinds", list(`{"name": "ann", "keyless": {"issuer": "i", "san": "s"}, "key": {"file": "f"}}`), 0, "exactly one of keyless, key, rebuilderd, got 2"},
		{"no issuer", list(`{"name": "ann", "keyless": {"san": "s"}}`), 0, "exactly one of issuer, issuer_regexp, got 0"},
		{"two names in a certificate", list(`{"name": "ann", "keyless": {"issuer": "i", "san": "s", "san_regexp": "s"}}`), 0, "exactly one of san, san_regexp, got 2"},
		{"two keys", list(`{"name": "ann", "key": {"file": "s", "pem": "s"}}`), 0, "exactly one of pem, file, got 2"},
		{"not a boolean", list(`{"name": "ann", "key": {"file": "f", "unsafe_no_transparency_log": 1}}`), 0, "expected true or false, got a number"},
		{"empty", list(`{"name": "ann", "key": {"file": ""}}`), 0, "r.json:1:49: rebuilders[0].key.file: must not be empty"},
		{"none required", `{"require": 0, "rebuilders": [` + ann + `]}`, 0, "r.json:1:13: require: expected a whole number from 1 on, got 0"},
		{"half required", `{"require": 1.5, "rebuilders": [` + ann + `]}`, 0, "from 1 on, got 1.5"},
		{"more required in the file", `{"require": 2, "rebuilders": [` + ann + `]}`, 0, "r.json:1:13: require: expected at least 2 rebuilders, got 1"},
		{"more required by the caller", list(ann), 3, "r.json:1:16: rebuilders: expected at least 3 rebuilders, got 1"},
		{"too many", list(strings.Repeat(ann+",", maxRebuilders) + ann), 0, "at most 100, got 101"},
		{"duplicate", list(ann, strings.Replace(ann, "ann", "bob", 1)), 0, "r.json:2:28: rebuilders[1]: is ann too"},
		{"large", strings.Repeat(" ", maxConfigSize+1), 0, "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := map[KeylessRebuilder]string{}
			_, err := ParseRebuilders("r.json", []byte(c.text), c.require, func(r Rebuilder) error {
				if r.Keyless == nil {
					return nil
				}
				if other, ok := seen[*r.Keyless]; ok {
					return fmt.Errorf("is %s too", other)
				}
				seen[*r.Keyless] = r.Name
				return nil
			})
			var p *Problems
			if !errors.As(err, &p) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected %s", err, c.want)
			}
		})
	}
}

func TestRebuildFile(t *testing.T) {
	for _, name := range []string{"a", "debian.org", "A_1-x", strings.Repeat("a", 64)} {
		file, err := RebuildFile(name)
		for _, file := range []string{file, name + ".rebuild.link"} {
			if got, ok := ParseRebuildFile(file); err != nil || !ok || got != name || !IsFile(file) {
				t.Errorf("%s: got %s, %s, %v", name, file, got, err)
			}
		}
	}
	for _, name := range []string{"", ".a", "a/b", "a b", "ä", strings.Repeat("a", 65), "-a", `a\b`} {
		if file, err := RebuildFile(name); err == nil {
			t.Errorf("%q: got %s", name, file)
		}
		if _, ok := ParseRebuildFile(name + ".rebuild.sigstore.json"); ok {
			t.Errorf("%q is taken for a name", name)
		}
	}
}

// FuzzParseRebuilders wants what is accepted to be usable: names, one kind each,
// and as many as are required.
func FuzzParseRebuilders(f *testing.F) {
	f.Add([]byte(twoRebuilders), 0)
	f.Add([]byte(`{"rebuilders":[{"name":"a","key":{"pem":"x"}}]}`), 1)
	f.Add([]byte(`{"rebuilders":[{"name":"a","rebuilderd":{"keys":["x","y"]}}]}`), 1)
	f.Fuzz(func(t *testing.T, data []byte, require int) {
		got, err := ParseRebuilders("r.json", data, require, func(Rebuilder) error { return nil })
		if err != nil {
			if _, ok := errors.AsType[*Problems](err); !ok {
				t.Fatalf("got %v", err)
			}
			return
		}
		if got.Require > len(got.List) || require >= 0 && got.Require < 1 {
			t.Fatalf("%d of %d", got.Require, len(got.List))
		}
		for _, r := range got.List {
			kinds := 0
			for _, has := range []bool{r.Keyless != nil, r.Key != nil, r.Rebuilderd != nil && len(r.Rebuilderd.Keys) > 0} {
				if has {
					kinds++
				}
			}
			if r.Name == "" || kinds != 1 {
				t.Fatalf("got %+v", r)
			}
		}
	})
}
