package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// maxUnsigned is how many unsigned files are named. A directory with more is
// not a release's own.
const maxUnsigned = 10_000

// maxDirDepth is how deep the directory of a release is searched for them.
const maxDirDepth = 64

// unsigned is a file in the release's directory that checksums.txt does not
// name.
type unsigned struct {
	name string
	what string // kind of file, for people; "" if it does not matter

	executable bool // an archive or a program: something that people unpack or run
	suspicious bool // that, or something that could pass for part of the release or cannot be read
}

// archiveSuffixes are names of archives whose contents need not be looked at.
var archiveSuffixes = []string{
	".tar", ".gz", ".tgz", ".xz", ".txz", ".zst", ".tzst", ".bz2", ".tbz2", ".zip", ".7z", ".rar", ".lz4", ".lz", ".z",
	".deb", ".rpm", ".apk", ".jar", ".whl", ".dmg", ".msi", ".pkg", ".exe", ".appimage", ".iso",
}

// unsignedFiles finds every file below the release's directory that nobody
// signed.
func (w *walk) unsignedFiles() ([]unsigned, error) {
	var out []unsigned
	errMany := fmt.Errorf("more than %d files that nobody signed", maxUnsigned)
	err := fs.WalkDir(w.in.Dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			if name == "." {
				return err
			}
			out = append(out, unsigned{name: name, what: "cannot be read", suspicious: true})
			return nil
		}
		if d.IsDir() {
			if strings.Count(name, "/") >= maxDirDepth {
				out = append(out, unsigned{name: name, what: fmt.Sprintf("directories nested more than %d levels deep", maxDirDepth), suspicious: true})
				return fs.SkipDir
			}
			return nil
		}
		if _, ok := w.sums.Lookup(name); ok || w.report.Checksums == "" && (name == checksum.File || name == release.BundleFile || name == release.ProvenanceFile) {
			return nil
		}
		if len(out) == maxUnsigned {
			return errMany
		}
		out = append(out, w.classify(name))
		return nil
	})
	return out, err
}

// classify looks at an unsigned file's name and first bytes.
func (w *walk) classify(name string) unsigned {
	u := unsigned{name: name}
	f, _, err := w.open(name)
	if err != nil {
		u.what, u.suspicious = text.Line(err.Error(), maxErrorText), true
		if errors.Is(err, fs.ErrNotExist) {
			u.what, u.suspicious = "a dangling symbolic link", false
		}
		return u
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, tarball.SniffLength)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return unsigned{name: name, what: text.Line(err.Error(), maxErrorText), suspicious: true}
	}
	kind := tarball.Sniff(head[:n])
	if tarball.IsArchive(kind) || tarball.IsProgram(kind) {
		u.what, u.executable = kind, true
	} else if hasArchiveSuffix(name) {
		u.what, u.executable = "an archive or a program by its name", true
	}
	u.suspicious = u.executable || strings.HasSuffix(name, ".spdx.json") || w.namedLikeAsset(name)
	return u
}

func hasArchiveSuffix(name string) bool {
	lower := strings.ToLower(name)
	return slices.ContainsFunc(archiveSuffixes, func(s string) bool { return strings.HasSuffix(lower, s) })
}

// namedLikeAsset reports whether a name begins as those of the listed tarballs
// do, so that a person could take the file for part of the release.
func (w *walk) namedLikeAsset(name string) bool {
	for _, s := range w.sums.All() {
		if project, _, ok := strings.Cut(s.Name, "_"); ok && strings.HasSuffix(s.Name, ".tar.gz") && strings.HasPrefix(name, project+"_") {
			return true
		}
	}
	return false
}

// unsignedLinks adds what nobody signed to the report: a skip for each archive
// and program, one line for all other files. Where only some files are verified,
// only those are looked at.
func (w *walk) unsignedLinks() {
	if len(w.in.Assets) > 0 {
		for _, name := range w.in.Assets {
			if _, ok := w.sums.Lookup(name); !ok && name != release.BundleFile && name != release.ProvenanceFile && name != checksum.File {
				w.skipUnsigned(w.classify(name))
			}
		}
		return
	}
	all, err := w.unsignedFiles()
	if err != nil {
		w.fail("", LinkFolder, ".", err)
	}
	var others []string
	for _, u := range all {
		if _, ok := release.ParseRebuildFile(u.name); ok && u.what == "" {
			continue // it carries its own proof, for who asks for it
		}
		if u.suspicious {
			w.skipUnsigned(u)
		} else {
			others = append(others, u.name)
		}
	}
	if len(others) > 0 {
		w.pass("", LinkFolder, ".", "nobody signed %s: %s", text.Count(len(others), "other file"), text.List(others, len(others)))
	}
}

func (w *walk) skipUnsigned(u unsigned) {
	why := "checksums.txt does not name it: nobody signed it"
	if u.what != "" {
		why += " (" + u.what + ")"
	}
	if f := w.find(u.name); f.here() {
		if is := w.whatIs(f, u.name); is != "" {
			why += "; " + is
		}
	}
	w.skip("", LinkFolder, text.Show(u.name), why)
}
