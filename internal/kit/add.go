package kit

import (
	"context"
	"fmt"
	"io"
	"slices"

	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/text"
)

// Add writes a kit that has a rebuilder's attestation more: the very kit that
// [Create] would have made with it. at is the path of k. The bundle goes to the
// releases that it is about. The error is a [*DamagedError] if k is damaged, or if the
// bundle is about none of its releases.
func Add(ctx context.Context, k *Kit, at, name string, bundle []byte, w io.Writer) (Manifest, error) {
	faults, err := k.Check(ctx, at, nil)
	if err == nil && len(faults) > 0 {
		err = faults[0].err()
	}
	if err != nil {
		return Manifest{}, err
	}
	if !isRebuild(name) {
		return Manifest{}, text.WithHint(fmt.Errorf("%s: expected the name of a rebuilder's attestation", text.Show(name)), "rename the file to NAME.rebuild.sigstore.json")
	}
	files := staged{}
	for _, f := range k.Manifest.Files {
		files[f.Name] = part{f, func() (io.ReadCloser, error) { return k.open(f.Name) }}
	}
	var refused error
	added := false
	for _, r := range k.Manifest.Releases {
		record, sums, err := k.record(r)
		if err != nil {
			return Manifest{}, err
		}
		if err := checkRebuild(bundle, record, sums); err != nil {
			refused = err
			continue
		}
		place := r.dir() + "/" + name
		if i := slices.IndexFunc(k.Manifest.Files, func(f File) bool { return f.Name == place }); i >= 0 && k.Manifest.Files[i].SHA256.Digest != release.DigestBytes(bundle) {
			return Manifest{}, text.WithHint(damagedf(place, "another attestation has the name already"), "rename the file that is to be added")
		}
		if err := files.bytes(place, bundle); err != nil {
			return Manifest{}, err
		}
		added = true
	}
	if !added {
		return Manifest{}, damaged(name, refused)
	}
	return files.write(ctx, w)
}

// record reads the release.json and checksums.txt of a release.
func (k *Kit) record(r Release) (release.Record, checksum.Sums, error) {
	raw, err := small(k, r.dir()+"/"+release.RecordFile, maxRecord)
	if err != nil {
		return release.Record{}, checksum.Sums{}, err
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		return record, checksum.Sums{}, err
	}
	if raw, err = small(k, r.dir()+"/"+checksum.File, checksum.MaxSize); err != nil {
		return record, checksum.Sums{}, err
	}
	sums, err := checksum.Parse(raw)
	return record, sums, err
}

func (f Fault) err() error {
	return damagedf(f.Name, "sha256: expected %s, got %s", f.Expected.Hex(), f.Got.Hex())
}
