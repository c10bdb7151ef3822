package checksum

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/release"
)

func sum(name, content string) Sum {
	return Sum{Name: name, Digest: release.DigestBytes([]byte(content))}
}

const hexA = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" // sha256 of "a"

func TestFormat(t *testing.T) {
	s, err := New([]Sum{sum("b.txt", "b"), sum("a.txt", "a"), sum("Z", "z")})
	if err != nil {
		t.Fatal(err)
	}
	want := "594e519ae499312b29433b7dd8a97ff068defcba9755b6d5d00e84c524d67b06  Z\n" +
		hexA + "  a.txt\n" +
		"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b.txt\n"
	if got := string(s.Format()); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if d, ok := s.Lookup("a.txt"); !ok || d.Hex() != hexA {
		t.Errorf("Lookup(a.txt) = %s, %v", d, ok)
	}
	if _, ok := s.Lookup("a"); ok {
		t.Error("Lookup(a) found a name that is not there")
	}
}

func TestNewRefuses(t *testing.T) {
	long := make([]Sum, MaxEntries+1)
	for _, c := range []struct {
		name string
		list []Sum
		want string
	}{
		{"nothing", nil, "proves nothing"},
		{"twice", []Sum{sum("a", "1"), sum("a", "2")}, "a is listed twice"},
		{"unset", []Sum{{Name: "a"}}, "a has no digest"},
		{"path", []Sum{sum("x/a", "1")}, "has a path"},
		{"too many", long, "at most 10000"},
	} {
		if _, err := New(c.list); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := hexA + "  a\n"
	for _, c := range []struct {
		name, in string
		line     int // 0: not about a line
		want     string
	}{
		{"empty", "", 0, "is empty"},
		{"no line feed", strings.TrimSuffix(good, "\n"), 1, "cut short"},
		{"carriage return", hexA + "  a\r\n", 1, "carriage return"},
		{"blank line", good + "\n", 2, "is blank"},
		{"duplicate", good + good, 2, "a is listed twice, first on line 1"},
		{"unsorted", hexA + "  b\n" + good, 2, "a comes after b"},
		{"upper case", strings.ToUpper(hexA) + "  a\n", 1, "lower case"},
		{"not hex", "zz" + hexA[2:] + "  a\n", 1, "not hexadecimal"},
		{"short", hexA + "\n", 1, "is 64 bytes long"},
		{"one space", hexA + " a\n", 1, "two spaces"},
		{"tab", hexA + "\t a\n", 1, "two spaces"},
		{"binary marker", hexA + " *a\n", 1, "binary marker"},
		{"three spaces", hexA + "   a\n", 1, "begins or ends with a blank"},
		{"no name", hexA + "  \n", 1, "is empty"},
		{"path", hexA + "  ../a\n", 1, "has a path"},
		{"dot dot", hexA + "  ..\n", 1, "names a directory"},
		{"dash", hexA + "  -rf\n", 1, "begins with a dash"},
		{"NUL", hexA + "  a\x00b\n", 1, "U+0000"},
		{"escape", hexA + "  \x1b[2J\n", 1, "U+001B"},
		{"C1 control", hexA + "  \u009b2J\n", 1, "U+009B"},
		{"not UTF-8", hexA + "  \xff\n", 1, "UTF-8"},
		{"coreutils escape", `\` + hexA + `  a\nb` + "\n", 1, "coreutils escaped"},
		{"backslash", hexA + `  a\b` + "\n", 1, "has a backslash"},
		{"BSD", "SHA256 (a) = " + hexA + "\n", 1, "BSD style"},
		{"sha512", strings.Repeat("0", 128) + "  a\n", 1, "two spaces"},
		{"comment", "# sums\n", 1, "is 6 bytes long"},
		{"byte order mark", "\ufeff" + good, 1, "hexadecimal"},
		{"long name", hexA + "  " + strings.Repeat("n", 256) + "\n", 1, "256 bytes long"},
		{"huge", strings.Repeat("\n", MaxSize+1), 0, "expected at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.in))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			var le *LineError
			if errors.As(err, &le) != (c.line != 0) || le != nil && le.Line != c.line {
				t.Errorf("got %v, want line %d", err, c.line)
			}
		})
	}
}

func TestParseCoreutilsTakesAnyOrderAndMarker(t *testing.T) {
	in := hexA + " *b\n" + hexA + "  a\n"
	s, err := ParseCoreutils([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(s.Format()), hexA+"  a\n"+hexA+"  b\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := ParseCoreutils([]byte(`\` + hexA + `  a\nb` + "\n")); err == nil {
		t.Error("an escaped name was accepted")
	}
}

// TestCoreutils holds both directions to the real sha256sum: it reads what we
// write, and we read what it writes.
func TestCoreutils(t *testing.T) {
	tool, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("sha256sum is not installed")
	}
	dir := t.TempDir()
	var list []Sum
	for name, content := range map[string]string{
		"a.tar.gz": "a", "Über.txt": "u", "with blank.json": "w", "Z": "", "~x": "x", "#y": "y", "a*b": "s",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		list = append(list, sum(name, content))
	}
	s, err := New(list)
	if err != nil {
		t.Fatal(err)
	}

	check := exec.Command(tool, "--check", "--strict", "-")
	check.Dir, check.Stdin = dir, bytes.NewReader(s.Format())
	if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), ": OK\n") != len(list) {
		t.Errorf("sha256sum -c: %v\n%s", err, out)
	}

	for _, mode := range []string{"--text", "--binary"} {
		args := []string{mode}
		for _, e := range s.All() {
			args = append(args, e.Name)
		}
		write := exec.Command(tool, args...)
		write.Dir = dir
		out, err := write.Output()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseCoreutils(out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(back.Format(), s.Format()) {
			t.Errorf("%s: got\n%swant\n%s", mode, back.Format(), s.Format())
		}
		if mode == "--text" && !bytes.Equal(out, s.Format()) {
			t.Errorf("sha256sum writes\n%swe write\n%s", out, s.Format())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(hexA + "  a\n"))
	f.Add([]byte(hexA + "  a\n" + hexA + "  b b\n"))
	f.Add([]byte(hexA + " *a\n" + hexA + "  A\n"))
	f.Add([]byte(`\` + hexA + `  a\nb` + "\n"))
	f.Add([]byte(hexA + "  a\r\n"))
	f.Add([]byte("SHA256 (a) = " + hexA + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := Parse(data); err == nil {
			if got := s.Format(); !bytes.Equal(got, data) {
				t.Fatalf("Format(Parse(x)) is not x:\n%q\n%q", got, data)
			}
		}
		s, err := ParseCoreutils(data)
		if err != nil {
			return
		}
		again, err := Parse(s.Format())
		if err != nil {
			t.Fatalf("Parse refuses what Format wrote: %v", err)
		}
		if !bytes.Equal(again.Format(), s.Format()) {
			t.Fatal("Format is not stable")
		}
	})
}
