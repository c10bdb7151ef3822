package verify_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/verify"
)

// one is the only result of a link about a subject, in the release as a whole.
func one(t *testing.T, r verify.Report, subject string) verify.Result {
	t.Helper()
	var found []verify.Result
	for _, s := range r.Results {
		if s.Subject == subject {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s: got %d results:\n%s", subject, len(found), r.Text())
	}
	return found[0]
}

// TestSignedButUnaccounted: the hash of an archive or a program is no comparison
// with an image.
func TestSignedButUnaccounted(t *testing.T) {
	elf, gz := []byte("\x7fELF\x02\x01\x01"), []byte("\x1f\x8b\x08\x00")
	for name, c := range map[string]struct {
		data []byte
		exit int
	}{
		"facerec_1.2.3_linux_s390x.tar.gz": {gz, 5},
		"other.tgz":                        {gz, 5},
		"source.zip":                       {[]byte("PK\x03\x04"), 5},
		"empty.tar.xz":                     {nil, 5},
		"facerec-windows.exe":              {[]byte("MZ"), 5},
		"facerec":                          {elf, 5},
		"install.sh":                       {[]byte("#!/bin/sh\n"), 5},
		"looks-like-text.txt":              {gz, 5},
		"NOTES.md":                         {[]byte("# Notes\n"), 0},
		"more.spdx.json":                   {[]byte("{}"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSmall(t)
			s.put(name, c.data)
			s.seal(t)
			whole := s.verify(t)
			alone := s.verify(t, func(in *verify.Input) { in.Assets = []string{name} })
			if whole.ExitCode != c.exit || alone.ExitCode != c.exit {
				t.Errorf("directory %d, file %d, expected %d:\n%s", whole.ExitCode, alone.ExitCode, c.exit, whole.Text())
			}
			if got := one(t, whole, name); got.Link != verify.LinkFile || c.exit == 5 && !strings.Contains(got.Detail, "no cell of release.json describes it") {
				t.Errorf("got %+v", got)
			}
			other := s.verify(t, func(in *verify.Input) { in.Assets = []string{assetA} })
			if other.ExitCode != 0 {
				t.Errorf("another file of the release: %s", other.Text())
			}
			s.put(name, []byte("replaced"))
			if r := s.verify(t); r.ExitCode != 3 {
				t.Errorf("replaced: got %d:\n%s", r.ExitCode, r.Text())
			}
		})
	}
}

// TestNobodySigned names every file in the directory that checksums.txt does not,
// at any depth; archives and programs make the release incomplete.
func TestNobodySigned(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		exit int
	}{
		"README":                           {"read me", 0},
		"sub/deep/notes.txt":               {"read me", 0},
		"a\nb":                             {"read me", 0},
		"facerec_1.2.3_linux_s390x.tar.gz": {"", 5},
		"x.zip":                            {"", 5},
		"sub/deep/x.tar.zst":               {"", 5},
		"plugin":                           {"\x7fELF", 5},
		"sub/plugin.so.1":                  {"\x7fELF", 5},
		"postinstall":                      {"#!/bin/sh", 5},
		"data":                             {"\x1f\x8b\x08", 5},
		"extra.spdx.json":                  {"{}", 5},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSmall(t)
			s.put(name, []byte(c.data))
			r := s.verify(t)
			shown := strings.ReplaceAll(name, "\n", `\n`)
			if r.ExitCode != c.exit || !strings.Contains(r.Text(), shown) || !strings.Contains(r.Text(), "nobody signed") {
				t.Errorf("got %d, expected %d:\n%s", r.ExitCode, c.exit, r.Text())
			}
			// Asked for by its name, it is never fine; another file is.
			if r := s.verify(t, func(in *verify.Input) { in.Assets = []string{name} }); r.ExitCode != 5 {
				t.Errorf("alone: got %d:\n%s", r.ExitCode, r.Text())
			}
			if r := s.verify(t, func(in *verify.Input) { in.Assets = []string{assetA} }); r.ExitCode != 0 {
				t.Errorf("another: got %d:\n%s", r.ExitCode, r.Text())
			}
		})
	}
	// All of them, not the first few.
	s := newSmall(t)
	for i := range 100 {
		s.put(fmt.Sprintf("note-%d.", i), nil)
	}
	text := s.verify(t).Text()
	for i := range 100 {
		if !strings.Contains(text, fmt.Sprintf("note-%d.", i)) {
			t.Fatalf("note-%d is not named", i)
		}
	}
}

// TestUnreadableSums: without checksums.txt nothing is trusted.
func TestUnreadableSums(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":     nil,
		"text":      []byte("hello\n"),
		"BSD style": []byte("SHA256 (x) = " + strings.Repeat("0", 64) + "\n"),
		"DOS":       []byte(strings.Repeat("0", 64) + "  x\r\n"),
		"NUL":       {0},
		"too large": bytes.Repeat([]byte("x"), checksum.MaxSize+1),
	} {
		s := newSmall(t)
		s.put(checksum.File, data)
		if r := s.verify(t); r.ExitCode != 4 {
			t.Errorf("%s: got %d:\n%s", name, r.ExitCode, r.Text())
		}
	}
	s := newSmall(t)
	delete(s.dist, checksum.File)
	s.put(checksum.File+"/x", nil) // a directory
	if r := s.verify(t); r.ExitCode != 4 {
		t.Errorf("directory: got %d:\n%s", r.ExitCode, r.Text())
	}
	if r, err := verify.Release(t.Context(), verify.Input{Dist: fstest.MapFS{"x": {ModTime: time.Unix(0, 0)}}, Policy: s.policy}); err != nil || r.ExitCode != 1 {
		t.Errorf("no release at all: got %d, %v", r.ExitCode, err)
	}
}

// TestExpectation refuses a good release of another version or project.
func TestExpectation(t *testing.T) {
	for _, c := range []struct {
		e    verify.Expectation
		exit int
		want string
	}{
		{verify.Expectation{Project: "facerec", Version: "1.2.3"}, 0, ""},
		{verify.Expectation{Version: "1.2.4"}, 4, "version"},
		{verify.Expectation{Version: "1.2.3-rc.1"}, 4, "version"},
		{verify.Expectation{Project: "other"}, 4, "project"},
		{verify.Expectation{Project: "fаcerec"}, 4, `"f\u0430cerec"`},
		{verify.Expectation{FromRelease: true}, 0, "is the one that the release claims"},
	} {
		r := newSmall(t).verify(t, func(in *verify.Input) { in.Expect = c.e })
		if r.ExitCode != c.exit || !strings.Contains(r.Text(), c.want) {
			t.Errorf("%+v: got %d, expected %d with %q:\n%s", c.e, r.ExitCode, c.exit, c.want, r.Text())
		}
	}
}

func TestClaimedVersion(t *testing.T) {
	for in, want := range map[string]release.Version{
		`{"schema":"x","project":"p","version":"1.2.3","cells":[`: "1.2.3",
		`{"version":"not a version"}`:                             "",
		`{"cells":[{"version":"1.2.3"}]}`:                         "",
		`[]`:                                                      "",
		``:                                                        "",
		`{"version":1}`:                                           "",
		`{"schema":"` + strings.Repeat("x", 1<<20) + `","version":"1.2.3"}`: "",
	} {
		if got := verify.ClaimedVersion(strings.NewReader(in)); got != want {
			t.Errorf("%.40s: got %q, expected %q", in, got, want)
		}
	}
}

// TestNothingIsDoneForTheUnsigned: without a good bundle no image that
// release.json names is asked for, unless the caller named it.
func TestNothingIsDoneForTheUnsigned(t *testing.T) {
	for _, fast := range []bool{false, true} {
		s := newSmall(t)
		delete(s.dist, release.BundleFile)
		asked := &counting{images: s.images}
		r := s.verify(t, func(in *verify.Input) { in.Fast, in.Images = fast, verify.CompareWith(asked) })
		if asked.n > 0 || r.ExitCode != 4 {
			t.Errorf("the images were asked %d times, exit code %d:\n%s", asked.n, r.ExitCode, r.Text())
		}
		for _, link := range []string{verify.LinkIndex, verify.LinkManifest, verify.LinkLayers, verify.LinkEntries, verify.LinkRebuilt} {
			for _, x := range r.Results {
				if x.Link == link && x.Status != verify.Skip {
					t.Errorf("%s: got %s", link, x.Status)
				}
			}
		}
		s.verify(t, func(in *verify.Input) { in.Fast, in.Images = fast, verify.CompareWithNamed(asked) })
		if asked.n == 0 {
			t.Error("the image that the caller named was not asked for")
		}
	}
}

// counting counts what is asked of images.
type counting struct {
	*images
	n int
}

func (c *counting) Platform(ctx context.Context, image string, index release.Digest, p release.Platform) (release.Digest, error) {
	c.n++
	return c.images.Platform(ctx, image, index, p)
}

func (c *counting) Prepare(ctx context.Context, cells []release.RecordCell) func() {
	c.n++
	return c.images.Prepare(ctx, cells)
}
