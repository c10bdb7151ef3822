// Package attest signs a release and its images, and recognises what is signed
// already.
//
// Package sign makes one bundle of one statement. [Sign] here decides which
// statements a release needs, has each bundle verified over what it is about, and
// puts it in its place: next to checksums.txt, or as a referrer of the image in the
// registry. It makes every signature before it leaves the first one anywhere.
//
// A keyless signature is different each time it is made. So a run that continues
// an earlier one gives [Input.Keep], a policy: a bundle that is in its place, or on
// the release page, and that verifies by the policy as the statement that would be
// signed now, is kept and not made again.
package attest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// Input is what to sign, and how.
type Input struct {
	Dist       string    // directory of a release, "" for none
	Images     []oci.Ref // in registries; each with every manifest in it
	Provenance bool      // also where the tarballs in Dist come from
	Attest     bool      // also what each image was built from, and the SBOMs in Dist

	Materials func() ([]sign.Input, error) // what a release was made from, for provenance
	Access    oci.Access

	// By returns who signs, and the policy that the signatures must satisfy. It is
	// called once, and not at all if everything is signed already.
	By func(context.Context) (By, error)

	// Keep, if not nil, is the policy by which signatures that exist are kept.
	Keep *verify.Policy

	// Published, if not nil, returns a file that the release page has already, or
	// nil. It comes before the one in Dist: what is on a page is never replaced.
	Published func(ctx context.Context, name string) ([]byte, error)

	Notice func(line string) // nil: nobody listens
}

// By is a signer and the policy that what it signs must satisfy.
type By struct {
	Signer sign.Signer
	Policy verify.Policy
}

// Result is what is signed now.
type Result struct {
	Bundle     string            // path of the bundle of checksums.txt, "" for none
	Signed     *verify.Signature // of it
	Provenance string            // path of the bundle of the provenance, "" for none
	Images     []Image
	Policy     verify.Policy // that all of it satisfies

	Made, Kept int // signatures
}

// Image is an index or a manifest that is signed.
type Image struct {
	Ref      string           `json:"ref"` // by digest
	Platform string           `json:"platform"`
	Beside   release.Digest   `json:"beside"` // the manifest that holds the bundle, if it was made now
	Signed   verify.Signature `json:"signature"`

	Attested []string `json:"attested,omitempty"` // predicate types

	at oci.Ref
}

// item is one signature: which statement it is, and where it belongs.
type item struct {
	what string // for people, "" if it needs no line of its own

	// make signs; check verifies a bundle as this item.
	make  func(ctx context.Context, s sign.Signer, check sign.Verifier) ([]byte, error)
	check func(ctx context.Context, bundle []byte, p verify.Policy) error

	// found lists bundles that may be this item already.
	found func(ctx context.Context) ([]candidate, error)
	place func(ctx context.Context, bundle []byte) error

	bundle  []byte
	inPlace bool
}

// candidate is a bundle that exists.
type candidate struct {
	bundle  []byte
	inPlace bool
}

type work struct {
	Input
	result Result
	sums   []byte // checksums.txt
	record *release.Record
	policy verify.Policy

	images []*subject
	items  []*item // in the order in which they are put in place
}

// Sign makes, or keeps, the signatures that Input asks for.
func Sign(ctx context.Context, in Input) (Result, error) {
	w := &work{Input: in}
	if w.Dist != "" {
		var err error
		if w.sums, err = readSums(w.Dist); err != nil {
			return Result{}, err
		}
	}
	if err := w.readImages(ctx); err != nil {
		return Result{}, err
	}
	var sboms map[release.Digest][]byte
	if w.Attest && w.Dist != "" {
		var err error
		if sboms, err = w.sboms(); err != nil {
			return Result{}, err
		}
	}
	var by *By
	if in.Keep != nil {
		w.policy = *in.Keep
	} else {
		got, err := in.By(ctx)
		if err != nil {
			return Result{}, err
		}
		by, w.policy = &got, got.Policy
	}
	if err := w.plan(sboms); err != nil {
		return Result{}, err
	}
	if in.Keep != nil {
		if err := w.keep(ctx); err != nil {
			return Result{}, err
		}
	}
	if err := w.makeAll(ctx, by); err != nil {
		return Result{}, err
	}
	for _, i := range w.items {
		if !i.inPlace {
			if err := i.place(ctx, i.bundle); err != nil {
				return Result{}, err
			}
		}
	}
	for _, s := range w.images {
		w.result.Images = append(w.result.Images, s.Image)
	}
	w.result.Policy = w.policy
	return w.result, nil
}

// plan lists the items: those of the images first, and the signature of
// checksums.txt, which vouches for the release, last.
func (w *work) plan(sboms map[release.Digest][]byte) error {
	for _, s := range w.images {
		if err := w.planImage(s, sboms[s.at.Digest]); err != nil {
			return err
		}
	}
	if w.Provenance {
		if err := w.planProvenance(); err != nil {
			return err
		}
	}
	if w.Dist != "" {
		w.planSums()
	}
	return nil
}

// keep looks for each item among what exists.
func (w *work) keep(ctx context.Context) error {
	for _, i := range w.items {
		found, err := i.found(ctx)
		if err != nil {
			return err
		}
		for _, c := range found {
			if i.check(ctx, c.bundle, w.policy) == nil {
				i.bundle, i.inPlace = c.bundle, c.inPlace
				w.result.Kept++
				break
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// makeAll makes what was not kept. Each bundle is verified before the next is made.
func (w *work) makeAll(ctx context.Context, by *By) error {
	for _, i := range w.items {
		if i.bundle != nil {
			continue
		}
		if by == nil {
			got, err := w.By(ctx)
			if err != nil {
				return err
			}
			by = &got
		}
		if i.what != "" && w.Notice != nil {
			w.Notice(i.what)
		}
		check := func(bundle, _ []byte) error { return i.check(ctx, bundle, by.Policy) }
		var err error
		if i.bundle, err = i.make(ctx, by.Signer, check); err != nil {
			return err
		}
		w.result.Made++
	}
	return nil
}

// statement is an item that is an in-toto statement about some digests.
func statement(text []byte, predicateType string, about ...release.Digest) *item {
	return &item{
		make: func(ctx context.Context, s sign.Signer, check sign.Verifier) ([]byte, error) {
			return sign.Statement(ctx, text, s, check)
		},
		check: func(_ context.Context, bundle []byte, p verify.Policy) error {
			for _, d := range about {
				got, err := verify.Blob(bundle, verify.Digest(d), p)
				if err != nil {
					return err
				}
				if got.PredicateType != predicateType || string(got.Statement) != string(text) {
					return errors.New("the bundle contains a different statement")
				}
			}
			return nil
		},
	}
}

// inDist makes a file of Dist the place of an item.
func (w *work) inDist(i *item, name string) *item {
	path := filepath.Join(w.Dist, name)
	i.found = func(ctx context.Context) ([]candidate, error) {
		here, err := readBundle(path)
		if err != nil {
			return nil, err
		}
		var found []candidate
		if w.Published != nil {
			there, err := w.Published(ctx, name)
			if err != nil {
				return nil, err
			}
			if there != nil {
				found = append(found, candidate{bundle: there, inPlace: string(there) == string(here)})
			}
		}
		if here != nil {
			found = append(found, candidate{bundle: here, inPlace: true})
		}
		return found, nil
	}
	i.place = func(_ context.Context, bundle []byte) error { return atomicfile.WriteBytes(path, 0o644, bundle) }
	return i
}

// materials returns the inputs of a provenance, as its error says.
func (w *work) materials() ([]sign.Input, error) {
	inputs, err := w.Materials()
	if err != nil {
		return nil, fmt.Errorf("provenance: %w", err)
	}
	return inputs, nil
}

// builder names who signs as a URI: the workflow or person in the certificate, or
// the key.
func builder(p verify.Policy) string {
	if p.Key != nil {
		return "urn:" + p.Key.Fingerprint().String()
	}
	san := p.Identities[0].SAN
	if !strings.Contains(san, "://") {
		return "mailto:" + san
	}
	return san
}

// noPredicate is the empty one of a statement that signs an image.
var noPredicate = json.RawMessage("{}")
