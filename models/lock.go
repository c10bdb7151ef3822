// Package models carries models.lock.json, the pins of the model files that
// belong in this folder. facerec/internal/models reads it.
package models

import _ "embed"

// LockJSON is models.lock.json.
//
//go:embed models.lock.json
var LockJSON []byte
