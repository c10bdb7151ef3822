package verify

import (
	"bytes"
	"encoding/json"
	"fmt"

	"facerec/internal/release"
	"facerec/internal/text"
)

// isLinks reports whether a file may have links of rebuilderd: bundles have other
// names.
func isLinks(data []byte) bool {
	if checkValues(data) != nil {
		return false
	}
	var head map[string]json.RawMessage
	err := json.NewDecoder(bytes.NewReader(data)).Decode(&head)
	return err == nil && head["signed"] != nil
}

// linksOf judges a file of links. The error is that there are too many.
func (w *walk) linksOf(e evidence, data []byte, tarballs []wanted, budget *signatureBudget) (verdicts []verdict, err error) {
	offered := w.listedName(e.label)
	links, err := ParseLinks(data)
	if err != nil {
		return []verdict{{place: e.place, name: offered, refused: refusal("", err)}}, nil
	}
	for i, l := range links {
		if i > 0 {
			if err := budget.take(); err != nil {
				return verdicts, err
			}
		}
		v := verdict{place: e.place, name: offered}
		if len(links) > 1 {
			v.place = fmt.Sprintf("%s link %d", e.place, i+1)
		}
		if v.weighLink(w, l, tarballs) {
			verdicts = append(verdicts, v)
		}
	}
	return verdicts, nil
}

// weighLink judges one link. It reports whether the link says anything about what the
// caller asked for.
func (v *verdict) weighLink(w *walk, l *Link, tarballs []wanted) bool {
	r := w.in.Rebuilders
	refuse := func(check, field, expected, got string) bool {
		v.refused = &Error{Class: Untrusted, Check: check, Field: field, Expected: expected, Got: text.Line(got, maxErrorText)}
		return true
	}
	listed, key := r.workerOf(l)
	if key == nil {
		return refuse(CheckIdentity, "signer", "a worker of a rebuilder that "+r.file+" lists", "another, or a forged link for "+text.Quote(l.Artifact))
	}
	sig := Signature{Key: key.Fingerprint().String()}
	v.name, v.signer, v.party = listed.name, sig.Who(), party(sig)
	v.about = map[release.Digest]string{}
	for _, x := range tarballs {
		switch {
		case x.digest.IsZero():
		case x.asset == l.Artifact && x.digest != l.Digest:
			return refuse(CheckLink, x.asset, x.digest.Hex(), l.Digest.Hex())
		case x.asset == l.Artifact, w.record == nil && x.digest == l.Digest: // a file alone may have any name
			v.about[x.digest] = ""
		}
	}
	if len(v.about) == 0 {
		if w.sums != nil {
			if d, ok := w.sums.Lookup(l.Artifact); ok && d == l.Digest {
				return false // of a cell that nobody asked for
			}
		}
		return refuse(CheckLink, "artifact", "one of the tarballs", l.Artifact)
	}
	if r.Within > 0 {
		return refuse(CheckLink, "time of the rebuild", span(r.Now.Add(-r.Within), r.Now), "none, as links have none")
	}
	if w.isSigner(sig) {
		v.refused = &Error{Class: Untrusted, Check: CheckLink, Field: "signer", Err: errSelf}
	}
	return true
}

// workerOf finds the listed rebuilder one of whose workers signed a link.
func (r *Rebuilders) workerOf(l *Link) (rebuilder, *PublicKey) {
	for _, x := range r.list {
		for _, key := range x.workers {
			if l.Verify(key) == nil {
				return x, key
			}
		}
	}
	return rebuilder{}, nil
}
