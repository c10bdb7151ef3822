package verify

// BlobOfRelease is [Blob] as [Release] calls it: the bundle must name the
// managed key by its fingerprint.
func BlobOfRelease(bundle []byte, a Artifact, p Policy) (Signature, error) {
	return blob(bundle, a, p, exactHint)
}
