package attest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// NoSumsError is a directory without checksums.txt.
type NoSumsError struct{ Path string }

func (e *NoSumsError) Error() string {
	return e.Path + " not found: run 'releaser pack' first, or name the directory that has it"
}

// ChangedError is a file that is not as checksums.txt says.
type ChangedError struct {
	Path          string
	Expected, Got release.Digest
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s: expected %s, got %s: it was changed since 'releaser pack'; pack again", e.Path, e.Expected.Hex(), e.Got.Hex())
}

// readSums reads checksums.txt and checks every file that it names: what is wrong
// on this disk must not be signed.
func readSums(dist string) ([]byte, error) {
	path := filepath.Join(dist, checksum.File)
	raw, err := atomicfile.ReadFile(path, checksum.MaxSize)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, &NoSumsError{path}
	}
	if err != nil {
		return nil, err
	}
	sums, err := checksum.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range sums.All() {
		got, err := release.DigestFile(filepath.Join(dist, s.Name))
		if err != nil {
			return nil, fmt.Errorf("%s names a file that cannot be read: %w", path, err)
		}
		if got != s.Digest {
			return nil, &ChangedError{filepath.Join(dist, s.Name), s.Digest, got}
		}
	}
	return raw, nil
}

// planSums adds the signature of checksums.txt.
func (w *work) planSums() {
	w.result.Bundle = filepath.Join(w.Dist, release.BundleFile)
	w.items = append(w.items, w.inDist(&item{
		make: func(ctx context.Context, s sign.Signer, check sign.Verifier) ([]byte, error) {
			return sign.Checksums(ctx, w.sums, s, check)
		},
		check: func(_ context.Context, bundle []byte, p verify.Policy) error {
			got, err := verify.Blob(bundle, verify.Data(bytes.NewReader(w.sums)), p)
			if err == nil {
				w.result.Signed = &got
			}
			return err
		},
	}, release.BundleFile))
}

// planProvenance adds the statement about the tarballs, checked over each of them.
func (w *work) planProvenance() error {
	record, err := w.readRecord()
	if err != nil {
		return fmt.Errorf("provenance: %w", err)
	}
	inputs, err := w.materials()
	if err != nil {
		return err
	}
	text, err := sign.ProvenanceStatement(record, inputs, builder(w.policy))
	if err != nil {
		return err
	}
	var files []release.Digest
	for _, c := range record.Cells {
		files = append(files, c.FileSHA256.Digest)
	}
	w.result.Provenance = filepath.Join(w.Dist, release.ProvenanceFile)
	w.items = append(w.items, w.inDist(statement(text, sign.PredicateProvenance, files...), release.ProvenanceFile))
	return nil
}

// readRecord reads release.json, once.
func (w *work) readRecord() (release.Record, error) {
	if w.record != nil {
		return *w.record, nil
	}
	path := filepath.Join(w.Dist, release.RecordFile)
	raw, err := atomicfile.ReadFile(path, release.MaxRecordSize)
	if err != nil {
		return release.Record{}, err
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		return record, fmt.Errorf("%s: %w", path, err)
	}
	w.record = &record
	return record, nil
}

// sbomsOf reads the SBOMs of a release by the manifests they are about.
func sbomsOf(dist string, sums []byte, record release.Record) (map[release.Digest][]byte, error) {
	listed, err := checksum.Parse(sums)
	if err != nil {
		return nil, err
	}
	documents := map[release.Digest][]byte{}
	for _, c := range record.Cells {
		name := release.SBOMFile(c.Asset)
		if _, ok := listed.Lookup(name); !ok {
			continue // the release was packed without
		}
		doc, err := atomicfile.ReadFile(filepath.Join(dist, name), release.MaxRecordSize)
		if err != nil {
			return nil, err
		}
		if !json.Valid(doc) {
			return nil, fmt.Errorf("expected %s to be JSON", text.Show(filepath.Join(dist, name)))
		}
		documents[c.ManifestDigest] = doc
	}
	return documents, nil
}

// readBundle reads a bundle that may exist. Something of the name that cannot be a
// bundle is nothing to keep.
func readBundle(path string) ([]byte, error) {
	raw, err := atomicfile.ReadFile(path, verify.MaxBundle)
	var large *atomicfile.TooLargeError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &large) {
		return nil, nil
	}
	return raw, err
}
