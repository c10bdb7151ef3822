//go:build dlib

package dlib

// baseline_amd64.c looks at the processor before anything else runs. This file
// makes Go compile it.

import "C"
