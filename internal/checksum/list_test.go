package checksum

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	sum256 = fmt.Sprintf("%x", sha256.Sum256([]byte("a")))
	sum384 = fmt.Sprintf("%x", sha512.Sum384([]byte("a")))
	sum512 = fmt.Sprintf("%x", sha512.Sum512([]byte("a")))
)

func TestParseList(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     string // NAME ALGORITHM, joined by commas
	}{
		{"goreleaser", sum256 + "  b.tar.gz\n" + sum256 + "  a.tar.gz\n", "b.tar.gz sha256, a.tar.gz sha256"},
		{"binary marker", sum256 + " *a\n", "a sha256"},
		{"one space", sum256 + " a\n", "a sha256"},
		{"sha384", sum384 + "  a\n", "a sha384"},
		{"sha512", sum512 + "  a\n", "a sha512"},
		{"BSD", "SHA256 (a b) = " + sum256 + "\n", "a b sha256"},
		{"BSD, sha512", "SHA512 (a) = " + sum512 + "\n", "a sha512"},
		{"BSD, a parenthesis in the name", "SHA256 (a) = b) = " + sum256 + "\n", "a) = b sha256"},
		{"openssl 1", "SHA256(a)= " + sum256 + "\n", "a sha256"},
		{"openssl 3", "SHA2-256(a)= " + sum256 + "\n", "a sha256"},
		{"byte order mark", "\ufeff" + sum256 + "  a\n", "a sha256"},
		{"DOS line ends", sum256 + "  a\r\n" + sum256 + "  b\r\n", "a sha256, b sha256"},
		{"no line feed at the end", sum256 + "  a", "a sha256"},
		{"upper case", strings.ToUpper(sum256) + "  a\n", "a sha256"},
		{"dot slash", sum256 + "  ./a\n", "a sha256"},
		{"subdirectory", sum256 + "  win/x64/a.exe\n", "win/x64/a.exe sha256"},
		{"comments and blank lines", "# sums\n\n" + sum256 + "  a\n\n", "a sha256"},
		{"several algorithms", sum256 + "  a\n" + sum512 + "  b\n", "a sha256, b sha512"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := ParseList("SUMS", []byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range list {
				got = append(got, e.Name+" "+string(e.Algorithm))
				if s := fmt.Sprintf("%x", e.Sum); s != sum256 && s != sum384 && s != sum512 {
					t.Errorf("%s: got the sum %s", e.Name, s)
				}
			}
			if got := strings.Join(got, ", "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestParseListRefuses(t *testing.T) {
	good := sum256 + "  a\n"
	for _, c := range []struct {
		name, in string
		line     int // 0: not about a line
		want     string
	}{
		{"empty", "", 0, "is empty"},
		{"comments alone", "# nothing\n", 0, "is empty"},
		{"huge", strings.Repeat("\n", MaxSize+1), 0, "at most"},
		{"too many", manyLines(MaxEntries + 1), MaxEntries + 1, "at most 10000"},
		{"duplicate", good + "\n" + good, 3, "duplicate name a, first on line 1"},
		{"duplicate of another algorithm", good + sum512 + "  ./a\n", 2, "duplicate name a"},
		{"md5", strings.Repeat("0", 32) + "  a\n", 1, "MD5"},
		{"sha1", good + strings.Repeat("0", 40) + "  b\n", 2, "SHA-1"},
		{"sha224", strings.Repeat("0", 56) + "  b\n", 1, "SHA-224"},
		{"BSD, MD5", "MD5 (a) = " + strings.Repeat("0", 32) + "\n", 1, "algorithm MD5"},
		{"BSD, BLAKE2", "BLAKE2b (a) = " + sum512 + "\n", 1, "algorithm BLAKE2b"},
		{"BSD, wrong length", "SHA512 (a) = " + sum256 + "\n", 1, "expected 128 hexadecimal digits"},
		{"sum alone", sum256 + "\n", 1, "no file name"},
		{"no name", sum256 + "  \n", 1, "is empty"},
		{"tab", sum256 + "\ta\n", 1, `got "\t"`},
		{"universal mode", sum256 + " ^a\n", 1, `marker "^"`},
		{"escaped", `\` + sum256 + `  a\nb` + "\n", 1, "backslash"},
		{"backslash", sum256 + `  a\b` + "\n", 1, "backslash"},
		{"parent", sum256 + "  ../a\n", 1, "not a path below"},
		{"parent inside", sum256 + "  a/../../b\n", 1, "not a path below"},
		{"absolute", sum256 + "  /etc/passwd\n", 1, "absolute"},
		{"carriage return inside", sum256 + "  a\rb\n", 1, "U+000D"},
		{"escape sequence", sum256 + "  \x1b[2J\n", 1, "U+001B"},
		{"not UTF-8", sum256 + "  \xff\n", 1, "UTF-8"},
		{"UTF-16", "\xff\xfea\x00", 1, "UTF-16"},
		{"PGP", "-----BEGIN PGP SIGNED MESSAGE-----\n", 1, "PGP"},
		{"HTML", "<!DOCTYPE html>\n", 1, "HTML"},
		{"words", "hello world\n", 1, "is not a sum and a name"},
		{"long name", sum256 + "  " + strings.Repeat("n", 256) + "\n", 1, "256 bytes long"},
		{"long path", sum256 + "  " + strings.Repeat("n/", 600) + "n\n", 1, "1201 bytes long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseList("SUMS", []byte(c.in))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "SUMS") {
				t.Errorf("got %v, want SUMS and %q in it", err, c.want)
			}
			var le *LineError
			if errors.As(err, &le) != (c.line != 0) || le != nil && le.Line != c.line {
				t.Errorf("got %v, want line %d", err, c.line)
			}
		})
	}
}

func manyLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s  f%d\n", sum256, i)
	}
	return b.String()
}

// TestParseListOfTools reads what the real tools write.
func TestParseListOfTools(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.tar.gz"), []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{
		"sha256sum a.tar.gz", "sha384sum a.tar.gz", "sha512sum a.tar.gz", "sha256sum -b a.tar.gz", "sha512sum --tag a.tar.gz", "sha256sum ./a.tar.gz",
		"shasum -a 256 a.tar.gz", "openssl dgst -sha256 a.tar.gz", "busybox sha256sum a.tar.gz",
	} {
		t.Run(command, func(t *testing.T) {
			args := strings.Fields(command)
			if _, err := exec.LookPath(args[0]); err != nil {
				t.Skip(args[0] + " is not installed")
			}
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir = dir
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			list, err := ParseList("SUMS", out)
			if err != nil || len(list) != 1 || list[0].Name != "a.tar.gz" {
				t.Errorf("%q: got %v, %v", out, list, err)
			}
		})
	}
}

// FuzzParseList wants no panic, and of what is accepted that every name stays
// below the directory, comes once, and has a sum of the right length.
func FuzzParseList(f *testing.F) {
	for _, seed := range []string{
		sum256 + "  a\n", sum512 + " *a/b\r\n", "\ufeffSHA256 (a) = " + sum256 + "\n", "SHA2-256(a)= " + sum256,
		`\` + sum256 + "  a\n", "# x\n\n", sum256 + "  ../a\n", sum256 + "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ParseList("SUMS", data)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, e := range list {
			if !filepath.IsLocal(e.Name) || seen[e.Name] || len(e.Sum) != sizes[e.Algorithm] {
				t.Errorf("accepted %q, %s, %d bytes", e.Name, e.Algorithm, len(e.Sum))
			}
			seen[e.Name] = true
		}
		// What our own parser accepts, this one reads the same.
		if own, err := Parse(data); err == nil {
			for _, e := range list {
				d, ok := own.Lookup(e.Name)
				b := d.Bytes()
				if !ok || !bytes.Equal(b[:], e.Sum) {
					t.Errorf("%s: got %x, Parse has %s", e.Name, e.Sum, d)
				}
			}
		}
	})
}
