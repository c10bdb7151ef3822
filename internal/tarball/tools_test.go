package tarball

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCausesOfRealTools makes archives of one directory with the tools that
// people use, and holds the causes of their differences from a reference: GNU tar
// and gzip -n, as the package comment has it. What a tool does is asserted both
// ways round.
func TestCausesOfRealTools(t *testing.T) {
	needGNU(t, "tar")
	needGNU(t, "gzip")
	dir := t.TempDir()
	run := func(t *testing.T, script string) {
		t.Helper()
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "TAR_OPTIONS=", "GZIP=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	const tarFlags = "--format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner"
	run(t, `umask 022; mkdir -p top/sub; seq 1 30000 >top/data; head -c 30000 /dev/zero >top/zeros; echo hi >top/sub/hi
		printf '#!/bin/sh\n' >top/run; chmod 755 top/run; ln -s data top/link; chmod 644 top/data top/zeros top/sub/hi; chmod 755 top top/sub
		touch -d @1000000000 top/* top/sub/* top
		tar `+tarFlags+` -cf ref.tar top; gzip -n <ref.tar >ref.tgz`)
	remade := func(flags string) string { return "tar " + flags + " -cf - top | gzip -n >out" }
	for _, c := range []struct {
		name, tools, script string
		grade               Grade
		causes              []string
		text                string
	}{
		{"gzip -1", "", "gzip -n1 <ref.tar >out", SameTar, []string{CauseCompressor}, "another compressor or level"},
		{"gzip -2", "", "gzip -n2 <ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"gzip -3", "", "gzip -n3 <ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"gzip -4", "", "gzip -n4 <ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"gzip -5", "", "gzip -n5 <ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"gzip -6", "", "gzip -n6 <ref.tar >out", Identical, nil, ""},
		{"gzip -7", "", "gzip -n7 <ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"gzip -8", "", "gzip -n8 <ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"gzip -9", "", "gzip -n9 <ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"gzip without -n", "", "cp ref.tar out.tar; gzip -kf out.tar; mv out.tar.gz out", SameTar, []string{CauseHeader}, "without -n"},
		{"tar -z", "", "tar " + tarFlags + " -czf out top", Identical, nil, ""},
		{"pigz", "pigz", "pigz -n <ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"pigz -11", "pigz", "pigz -n11 <ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"igzip", "igzip", "igzip -nc ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"igzip -0", "igzip", "igzip -n0c ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"igzip -3", "igzip", "igzip -n3c ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"igzip with a name", "igzip", "igzip -c ref.tar >out", SameTar, []string{CauseCompressor}, "name"},
		{"zopfli", "zopfli", "zopfli -c ref.tar >out", SameTar, []string{CauseCompressor}, ""},
		{"zlib", "python3", `python3 -c "import gzip;open('out','wb').write(gzip.compress(open('ref.tar','rb').read(),6,mtime=0))"`, SameTar, []string{CauseCompressor}, ""},
		{"perl", "perl", `perl -MIO::Compress::Gzip=:all -e 'gzip "ref.tar"=>"out",Minimal=>1'`, SameTar, nil, ""},
		{"busybox gzip", "busybox", "busybox gzip -c <ref.tar >out", Identical, nil, ""},
		{"OS byte", "", `cp ref.tgz out; printf '\xff' | dd of=out bs=1 seek=9 conv=notrunc status=none`, SameTar, []string{CauseHeader}, "operating system 3 in a, 255 in b"},
		{"time", "", `cp ref.tgz out; printf '\1\2\3\4' | dd of=out bs=1 seek=4 conv=notrunc status=none`, SameTar, []string{CauseHeader}, "time 0 in a, 67305985 in b"},
		{"extra flags", "", `cp ref.tgz out; printf '\2' | dd of=out bs=1 seek=8 conv=notrunc status=none`, SameTar, []string{CauseHeader}, "extra flags 0 in a, 2 in b"},
		{"unpacked", "", "cp ref.tar out", SameTar, []string{CauseUnpacked}, "not compressed"},
		{"xz", "xz", "xz -c <ref.tar >out", SameTar, []string{CauseCompressor}, "b is xz of"},
		{"xz -9", "xz", "xz -9c <ref.tar >out", SameTar, []string{CauseCompressor}, "b is xz of"},
		{"zstd", "zstd", "zstd -qc <ref.tar >out", SameTar, []string{CauseCompressor}, "b is zstd of"},
		{"zstd --ultra -22 --long=27", "zstd", "zstd -qc --ultra -22 --long=27 <ref.tar >out", SameTar, []string{CauseCompressor}, "b is zstd of"},
		{"bzip2", "bzip2", "bzip2 -c <ref.tar >out", SameTar, []string{CauseCompressor}, "b is bzip2 of"},
		{"twice", "", "gzip -nc ref.tgz >out", Differs, []string{CauseNotTar}, "gzip inside gzip (it was compressed twice)"},
		{"zip", "zip", "zip -qr out.zip top; mv out.zip out", Differs, []string{CauseNotTar}, "got zip"},
		{"HTML page", "", "printf '\\n<!DOCTYPE html><html>Not found</html>' >out", Differs, []string{CauseNotTar}, "an HTML page"},
		{"JSON in gzip", "", `printf '{"error": "not found"}' | gzip -n >out`, Differs, []string{CauseNotTar}, "JSON inside gzip"},
		{"noise", "", "head -c 5000 ref.tgz | tail -c 4000 >out", Differs, []string{CauseNotTar}, "unknown kind"},

		{"sort", "", "(echo top; find top -mindepth 1 | sort -r) >list; tar --format=gnu --mtime=@0 --owner=0 --group=0 --numeric-owner --no-recursion -cf - -T list | gzip -n >out", SameContent, []string{CauseOrder}, ""},
		{"mtime", "", remade("--format=gnu --sort=name --owner=0 --group=0 --numeric-owner"), SameContent, []string{CauseTime}, "mtime 0, 1000000000"},
		{"owner", "", remade("--format=gnu --sort=name --mtime=@0 --owner=build:1000 --group=build:1000"), SameContent, []string{CauseOwner}, "(build:build)"},
		{"mode", "", remade(tarFlags + " --mode=g-rx,o-rx"), SameContent, []string{CauseUmask}, "umask 005"},
		{"top directory", "", remade(tarFlags + " --transform='s,^top,top-1.2.3,'"), SameContent, []string{CausePrefix}, "top-1.2.3 in b"},
		{"ustar", "", remade(strings.Replace(tarFlags, "gnu", "ustar", 1)), SameContent, []string{CauseFormat}, "ustar in b"},
		{"posix", "", remade(strings.Replace(tarFlags, "gnu", "posix", 1)), SameContent, nil, ""},
		{"oldgnu", "", remade(strings.Replace(tarFlags, "gnu", "oldgnu", 1)), Identical, nil, ""},
		{"v7", "", remade(strings.Replace(tarFlags, "gnu", "v7", 1)), SameContent, []string{CauseFormat}, "v7 in b"},
		{"bsdtar", "bsdtar", "bsdtar --format gnutar --uid 0 --gid 0 --numeric-owner -cf - top | gzip -n >out", SameContent, nil, "mtime"},
		{"busybox tar", "busybox", "busybox tar -cf - top | gzip -n >out", SameContent, nil, "mtime"},
		{"cut", "", "head -c 5000 ref.tgz >out", Differs, []string{CauseTruncated}, "ends too early"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for tool := range strings.FieldsSeq(c.tools) {
				if _, err := exec.LookPath(tool); err != nil {
					t.Skipf("needs %s to compare with", tool)
				}
			}
			run(t, "rm -f out; "+c.script)
			ref, out := read(t, dir, "ref.tgz"), read(t, dir, "out")
			there := difference(t, ref, out)
			if there.Grade != c.grade || c.causes != nil && !slices.Equal(kindsOf(there), c.causes) || !strings.Contains(textOf(t, there), c.text) {
				t.Errorf("got %s %q, expected %s %q and %q in:\n%s", there.Grade, kindsOf(there), c.grade, c.causes, c.text, textOf(t, there))
			}
			if there.Grade != Identical && len(there.Causes) == 0 {
				t.Errorf("no cause:\n%s", textOf(t, there))
			}
			mirrored(t, there, difference(t, out, ref))
		})
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func difference(t *testing.T, a, b []byte) Difference {
	t.Helper()
	d, err := DiffSources(context.Background(), source("left", a), source("right", b), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func kindsOf(d Difference) (kinds []string) {
	for _, c := range d.Causes {
		kinds = append(kinds, c.Kind)
	}
	return kinds
}

func textOf(t *testing.T, d Difference) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteText(&b, d, 0); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// mirrored fails unless back is the answer there with its sides swapped.
func mirrored(t *testing.T, there, back Difference) {
	t.Helper()
	if there.Grade != back.Grade || there.A.File != back.B.File || there.B.Tar != back.A.Tar {
		t.Errorf("swapped: got %s, expected %s", back.Grade, there.Grade)
	}
	a, b := kindsOf(there), kindsOf(back)
	slices.Sort(a)
	slices.Sort(b)
	if !slices.Equal(a, b) {
		t.Errorf("swapped: got %q, expected %q:\n%s\n%s", b, a, textOf(t, there), textOf(t, back))
	}
	type row struct{ name, field, a, b string }
	rows := func(d Difference, swap bool) (out []row) {
		for _, e := range d.Entries {
			change := e.Change
			if swap {
				change = map[string]string{"only in a": "only in b", "only in b": "only in a"}[change]
				if change == "" {
					change = e.Change
				}
			}
			if len(e.Fields) == 0 {
				out = append(out, row{e.Name, change, "", ""})
			}
			for _, f := range e.Fields {
				if swap {
					f.A, f.B = f.B, f.A
				}
				out = append(out, row{e.Name, f.Field, f.A, f.B})
			}
		}
		slices.SortFunc(out, func(x, y row) int { return strings.Compare(x.name+"\x00"+x.field, y.name+"\x00"+y.field) })
		return out
	}
	if x, y := rows(there, false), rows(back, true); !slices.Equal(x, y) {
		t.Errorf("swapped: got\n%v\nexpected\n%v", y, x)
	}
}

// TestHardLinksInAnotherOrder: which name of a file comes first is up to the
// archiver, and is no other content.
func TestHardLinksInAnotherOrder(t *testing.T) {
	first := tarOf(t, mustTree(t, file("a", 0o644, "x"), hardlink("b", "a"), hardlink("c", "a")), "top")
	second := rewrittenLinks(t)
	d := difference(t, first, second)
	if d.Grade != SameContent || !slices.Equal(kindsOf(d)[:2], []string{CauseHardLinks, CauseOrder}) || !strings.Contains(textOf(t, d), "another name comes first") {
		t.Errorf("got\n%s", textOf(t, d))
	}
	mirrored(t, d, difference(t, second, first))
}

// rewrittenLinks is an archive of the same three names of one file, "b" first.
func rewrittenLinks(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "top/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "top/b", Mode: 0o644, Size: 1},
		{Typeflag: tar.TypeLink, Name: "top/a", Mode: 0o644, Linkname: "top/b"},
		{Typeflag: tar.TypeLink, Name: "top/c", Mode: 0o644, Linkname: "top/b"},
	} {
		h.Format, h.ModTime = tar.FormatGNU, time.Unix(0, 0)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), make([]byte, recordSize-b.Len()%recordSize)...)
}

// TestArchiveAgainstTree: what is made of a tree has no compression of its own.
func TestArchiveAgainstTree(t *testing.T) {
	tree := sampleTree(t)
	made, err := TreeSource("tree", tree, "top")
	if err != nil {
		t.Fatal(err)
	}
	plain := tarOf(t, tree, "top")
	for name, c := range map[string]struct {
		file  []byte
		grade Grade
	}{
		"packed":       {packed(t, tree, "top"), Identical},
		"other level":  {gzipped(t, plain, 1), Identical},
		"plain":        {plain, Identical},
		"two members":  {append(gzipped(t, plain[:5000], 6), gzipped(t, plain[5000:], 6)...), SameTar},
		"other prefix": {packed(t, tree, "pot"), SameContent},
	} {
		for _, sides := range [][2]Source{{source("file", c.file), made}, {made, source("file", c.file)}} {
			d, err := DiffSources(context.Background(), sides[0], sides[1], DefaultLimits())
			if err != nil || d.Grade != c.grade || (d.Grade == Identical) != (len(d.Causes) == 0) {
				t.Errorf("%s: got %v, %v, expected %s", name, d, err, c.grade)
			}
		}
	}
}

// A directory or an image is compared by what pack makes of it, and that is said: its
// files on disk have owners and times.
func TestMadeSideIsSaid(t *testing.T) {
	made, err := TreeSource("tree", mustTree(t, Entry{Name: "a", Type: Dir, Mode: 0o755}), "top")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"top/", "top/a/"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755, Uid: 7, ModTime: time.Unix(7, 0), Format: tar.FormatGNU}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := source("file", b.Bytes())
	for _, c := range []struct {
		a, b Source
		said string
	}{{file, made, "b is not an archive"}, {made, file, "a is not an archive"}, {file, source("file", tarOf(t, sampleTree(t), "top")), ""}} {
		d, err := DiffSources(t.Context(), c.a, c.b, DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		for _, cause := range d.Causes {
			if strings.Contains(cause.Detail, "is not an archive") != (c.said != "" && (cause.Kind == CauseOwner || cause.Kind == CauseTime)) || c.said != "" && strings.Contains(cause.Detail, "is not an archive") && !strings.Contains(cause.Detail, c.said) {
				t.Errorf("%s %s: got %s", c.a.Name, c.b.Name, cause)
			}
		}
		if c.said != "" && len(d.Causes) < 2 {
			t.Errorf("%s %s: got %v", c.a.Name, c.b.Name, d.Causes)
		}
	}
}

// What is too short for a tar header is none unless it begins like one.
func TestShortFiles(t *testing.T) {
	header := tarOf(t, sampleTree(t), "top")
	for name, c := range map[string]struct {
		file []byte
		kind string
		said string
	}{
		"empty":         {nil, ProblemNotTar, "got an empty file"},
		"text":          {[]byte("hello\n"), ProblemNotTar, "unknown kind"},
		"base64":        {[]byte("H4sIAAAAAAAAA+3OMQrCQBCF4Tn\nKngAnm\n"), ProblemNotTar, "unknown kind"},
		"UTF-16":        {[]byte("\xff\xfeh\x00i\x00"), ProblemNotTar, "unknown kind"},
		"cut header":    {header[:300], ProblemTruncated, "before the first entry"},
		"cut name":      {header[:3], ProblemTruncated, "before the first entry"},
		"cut after one": {header[:700], ProblemTruncated, "at or after"},
		"WebAssembly":   {[]byte("\x00asm\x01\x00\x00\x00"), ProblemNotTar, "a WebAssembly program"},
	} {
		x, err := List(bytes.NewReader(c.file), DefaultLimits())
		if err != nil || len(x.Problems) != 1 || x.Problems[0].Kind != c.kind || !strings.Contains(x.Problems[0].Detail, c.said) {
			t.Errorf("%s: got %+v, %v", name, x, err)
		}
	}
}

func TestSniff(t *testing.T) {
	for head, want := range map[string]string{
		"": "", "hello": "", "\x1f\x8b\x08": "gzip", "\xfd7zXZ\x00": "xz", "\x28\xb5\x2f\xfd": "zstd", "BZh9": "bzip2", "PK\x03\x04": "zip",
		"\xef\xbb\xbf <HTML>": "an HTML page", "  {": "JSON", "#!/bin/sh": "a script", "\x7fELF": "an ELF program", "MZ\x90": "a Windows program",
		"version https://git-lfs.github.com/spec/v1\n": "a Git LFS pointer", "-----BEGIN CERTIFICATE-----": "PEM",
	} {
		if got := Sniff([]byte(head)); got != want {
			t.Errorf("%q: got %q, expected %q", head, got, want)
		}
	}
	if got := Sniff(tarOf(t, sampleTree(t), "top")[:SniffLength]); got != "tar" {
		t.Errorf("a tar archive: got %q", got)
	}
}

// TestWindowsAreBounded: a few bytes cannot make a reader hold gigabytes.
func TestWindowsAreBounded(t *testing.T) {
	for name, data := range map[string][]byte{
		"zstd": {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00}, // a window of 1 GiB
		// An LZMA2 dictionary of 4 GiB - 1 in a block header.
		"xz": {0xfd, '7', 'z', 'X', 'Z', 0, 0, 0, 0xff, 0x12, 0xd9, 0x41, 0x02, 0x00, 0x21, 0x01, 0x28, 0x00, 0x00, 0x00, 0xb8, 0x21, 0x88, 0x2c},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		x, err := List(bytes.NewReader(data), DefaultLimits())
		runtime.ReadMemStats(&after)
		if err != nil || len(x.Problems) == 0 {
			t.Errorf("%s: got %+v, %v", name, x, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > MaxWindow {
			t.Errorf("%s: allocated %d bytes for %d", name, n, len(data))
		}
	}
}
