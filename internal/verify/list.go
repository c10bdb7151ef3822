package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"

	"facerec/internal/checksum"
	"facerec/internal/text"
)

// SumList is a signed list of checksums that somebody else's release has.
type SumList struct {
	Name string // of the list, for people
	Data []byte

	// Bundle is the file that signs the list, as [Blob] reads it, and BundleName
	// its name. A nil Bundle means that the list is not signed.
	Bundle     []byte
	BundleName string

	// Own are the names in the directory of the list and of what signs it: they are
	// not among the files that nobody signed.
	Own []string
}

// List checks the files of a release that was not made by this program: the
// signature of the list, and of every listed file its sum. There is no
// release.json, so no image is compared, and the report says so. in.Assets
// selects files; of the other fields, Dist, Policy and Progress are used.
func List(ctx context.Context, in Input, l SumList) (Report, error) {
	w := newWalk(in)
	w.sums = &checksum.Sums{}
	w.report.Expected, w.report.TrustRoot, w.report.Checksums = in.Policy.expected(), in.Policy.RootOrigin(), l.Name
	w.listSignature(l)
	list, err := checksum.ParseList(text.Show(path.Base(l.Name)), l.Data)
	if err != nil {
		w.fail("", LinkChecksums, l.Name, err)
		return w.finish(ctx)
	}
	w.pass("", LinkChecksums, l.Name, "%s", text.Count(len(list), "file"))
	named := map[string]bool{}
	for _, e := range list {
		named[e.Name] = true
		if ctx.Err() == nil && (len(in.Assets) == 0 || slices.Contains(in.Assets, e.Name)) {
			w.listedSum(e)
		}
	}
	w.unlisted(l, named)
	w.report.Unchecked = append(w.report.Unchecked, "only the files' checksums were compared with the signed list: no image was compared, and a list does not name its version")
	return w.finish(ctx)
}

func (w *walk) listSignature(l SumList) {
	if l.Bundle == nil {
		w.fail("", LinkBundle, l.Name, untrusted(CheckBundle, "no signature of the list was found: it is not signed"))
		return
	}
	s, err := Blob(l.Bundle, Data(bytes.NewReader(l.Data)), w.in.Policy)
	if err != nil {
		w.fail("", LinkBundle, l.BundleName, err)
		return
	}
	w.report.Signature, w.report.Unchecked = &s, slices.Clone(s.Unchecked)
	w.pass("", LinkBundle, l.BundleName, "%s", s.Text())
}

// listedSum compares a file with the list.
func (w *walk) listedSum(e checksum.ListEntry) {
	shown := text.Show(e.Name)
	f, _, err := w.open(e.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.skip("", LinkFile, shown, "not found in the directory")
		return
	case err != nil:
		w.fail("", LinkFile, shown, err)
		return
	}
	defer func() { _ = f.Close() }()
	h := map[checksum.Algorithm]func() hash.Hash{checksum.SHA256: sha256.New, checksum.SHA384: sha512.New384, checksum.SHA512: sha512.New}[e.Algorithm]()
	n, err := io.Copy(h, f)
	if err != nil {
		w.fail("", LinkFile, shown, err)
		return
	}
	if got := h.Sum(nil); !bytes.Equal(got, e.Sum) {
		d := differs(string(e.Algorithm), fmt.Sprintf("%x", e.Sum), fmt.Sprintf("%x", got))
		if n == 0 {
			d.Err = errors.New("the file is empty")
		}
		w.fail("", LinkFile, shown, d)
		return
	}
	w.pass("", LinkFile, shown, "%s %x, %d bytes", e.Algorithm, e.Sum, n)
}

// unlisted adds the files that the list does not name: a skip for each archive
// and program, and for each that was asked for; one line for all others.
func (w *walk) unlisted(l SumList, named map[string]bool) {
	const why = "the list does not name it: nobody signed it"
	if len(w.in.Assets) > 0 {
		for _, name := range w.in.Assets {
			if !named[name] {
				w.skip("", LinkFolder, text.Show(name), why)
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
		switch {
		case named[u.name] || slices.Contains(l.Own, u.name):
		case u.suspicious && u.what != "":
			w.skip("", LinkFolder, text.Show(u.name), why+" ("+u.what+")")
		case u.suspicious:
			w.skip("", LinkFolder, text.Show(u.name), why)
		default:
			others = append(others, u.name)
		}
	}
	if len(others) > 0 {
		w.pass("", LinkFolder, ".", "nobody signed %s: %s", text.Count(len(others), "other file"), text.List(others, len(others)))
	}
}
