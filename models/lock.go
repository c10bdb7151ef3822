// Package modelpins embeds models.lock.json, the pins of the model files that
// belong in this directory. It has its own package because go:embed reaches
// files below a package only; [facerec/internal/models] parses it.
package modelpins

import _ "embed"

// LockJSON is models.lock.json.
//
//go:embed models.lock.json
var LockJSON []byte
