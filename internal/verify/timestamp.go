package verify

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of RFC 5652 (CMS) and RFC 3161 (time-stamp protocol).
var (
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
)

// plainTimestamp holds a timestamp response to what RFC 3161 and RFC 5652 say of
// the parts that its signature does not cover: the status, the versions, the
// list of hash functions, the type of the content, and that every length is the
// shortest. The library that checks the signature reads over all of these.
func plainTimestamp(der []byte) error {
	if err := plainDER(der); err != nil {
		return err
	}
	var response, status, info, explicit, signed cryptobyte.String
	var contentType asn1.ObjectIdentifier
	var code int64
	in := cryptobyte.String(der)
	if !in.ReadASN1(&response, cryptobyte_asn1.SEQUENCE) || !in.Empty() ||
		!response.ReadASN1(&status, cryptobyte_asn1.SEQUENCE) || !status.ReadASN1Integer(&code) ||
		!response.ReadASN1(&info, cryptobyte_asn1.SEQUENCE) || !response.Empty() ||
		!info.ReadASN1ObjectIdentifier(&contentType) ||
		!info.ReadASN1(&explicit, explicitTag(0)) || !info.Empty() ||
		!explicit.ReadASN1(&signed, cryptobyte_asn1.SEQUENCE) || !explicit.Empty() {
		return errors.New("is not a timestamp response (RFC 3161)")
	}
	if code != 0 && code != 1 {
		return fmt.Errorf("status: expected 0 or 1 (granted), got %d", code)
	}
	if !contentType.Equal(oidSignedData) {
		return fmt.Errorf("content type: expected %s (signed data), got %s", oidSignedData, contentType)
	}
	return plainSignedData(signed)
}

func plainSignedData(signed cryptobyte.String) error {
	var version int64
	var algorithms, content, octets, info, signers, signer cryptobyte.String
	var contentType asn1.ObjectIdentifier
	if !signed.ReadASN1Integer(&version) ||
		!signed.ReadASN1(&algorithms, cryptobyte_asn1.SET) ||
		!signed.ReadASN1(&content, cryptobyte_asn1.SEQUENCE) ||
		!content.ReadASN1ObjectIdentifier(&contentType) ||
		!content.ReadASN1(&octets, explicitTag(0)) || !content.Empty() ||
		!octets.ReadASN1(&info, cryptobyte_asn1.OCTET_STRING) || !octets.Empty() ||
		!signed.SkipOptionalASN1(explicitTag(0)) {
		return errors.New("signed data: does not follow RFC 5652")
	}
	if signed.PeekASN1Tag(explicitTag(1)) {
		var crls cryptobyte.String
		if !signed.ReadASN1(&crls, explicitTag(1)) || crls.Empty() {
			return errors.New("signed data: an empty list of revocations")
		}
	}
	if !signed.ReadASN1(&signers, cryptobyte_asn1.SET) || !signed.Empty() ||
		!signers.ReadASN1(&signer, cryptobyte_asn1.SEQUENCE) || !signers.Empty() {
		return errors.New("signed data: expected exactly one signer")
	}
	// Version 3 is what RFC 5652 section 5.1 wants for any content but plain data,
	// up to attribute certificates that nobody puts into a timestamp.
	if version != 3 {
		return fmt.Errorf("signed data: version: expected 3, got %d", version)
	}
	if !contentType.Equal(oidTSTInfo) {
		return fmt.Errorf("signed data: content: expected %s (TSTInfo), got %s", oidTSTInfo, contentType)
	}

	var signerVersion int64
	var algorithm cryptobyte.String
	if !signer.ReadASN1Integer(&signerVersion) {
		return errors.New("signer: has no version")
	}
	want := int64(1) // named by issuer and serial number
	if signer.PeekASN1Tag(explicitTag(0)) || signer.PeekASN1Tag(cryptobyte_asn1.Tag(0).ContextSpecific()) {
		want = 3 // named by key identifier
	}
	var name cryptobyte.String
	var tag cryptobyte_asn1.Tag
	if signerVersion != want || !signer.ReadAnyASN1(&name, &tag) || !signer.ReadASN1(&algorithm, cryptobyte_asn1.SEQUENCE) {
		return fmt.Errorf("signer: version: expected %d, got %d", want, signerVersion)
	}
	hash, err := plainAlgorithm(algorithm)
	if err != nil {
		return fmt.Errorf("signer: hash: %w", err)
	}
	for !algorithms.Empty() {
		var one cryptobyte.String
		if !algorithms.ReadASN1(&one, cryptobyte_asn1.SEQUENCE) {
			return errors.New("signed data: hashes: cannot be read")
		}
		listed, err := plainAlgorithm(one)
		if err != nil {
			return fmt.Errorf("signed data: hashes: %w", err)
		}
		if listed.Equal(hash) {
			return nil
		}
	}
	return fmt.Errorf("signed data: hashes: expected the signer's, %s, among them", hash)
}

// plainAlgorithm reads a hash function: an identifier, with NULL or nothing
// behind it.
func plainAlgorithm(s cryptobyte.String) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1ObjectIdentifier(&oid) {
		return nil, errors.New("expected an identifier")
	}
	if !s.Empty() && !bytes.Equal(s, []byte{5, 0}) {
		return nil, fmt.Errorf("%s: expected no parameters", oid)
	}
	return oid, nil
}

func explicitTag(n uint8) cryptobyte_asn1.Tag {
	return cryptobyte_asn1.Tag(n).Constructed().ContextSpecific()
}

// maxDepth is how deep ASN.1 may nest; a timestamp goes to sixteen.
const maxDepth = 64

// plainDER says that data is a row of values, each with the shortest length that
// is exactly its own, all the way down.
func plainDER(data []byte) error { return plainDERAt(data, 0) }

func plainDERAt(data []byte, depth int) error {
	if depth > maxDepth {
		return errors.New("is nested too deeply")
	}
	s := cryptobyte.String(data)
	for !s.Empty() {
		var value cryptobyte.String
		var tag cryptobyte_asn1.Tag
		if !s.ReadAnyASN1(&value, &tag) {
			return errors.New("is not DER")
		}
		if tag&0x20 != 0 { // constructed
			if err := plainDERAt(value, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
