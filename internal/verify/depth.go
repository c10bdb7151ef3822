package verify

import "facerec/internal/text"

// MaxStatement is the largest in-toto statement, in bytes: attestations can hold
// an SBOM.
const MaxStatement = 12 << 20

// maxJSONDepth is how deep JSON from outside may nest. A bundle goes to 8 and a
// provenance to 12.
const maxJSONDepth = 200

// maxJSONValues is how many values a bundle or a trusted root may have: a bundle
// has under 100, and a file up to 100 bundles.
const maxJSONValues = 100_000

// checkDepth refuses JSON that nests too deep, before anything decodes it.
func checkDepth(data []byte) error { return text.BoundJSON(data, maxJSONDepth, 0) }

// checkValues is checkDepth for documents that have few values.
func checkValues(data []byte) error { return text.BoundJSON(data, maxJSONDepth, maxJSONValues) }
