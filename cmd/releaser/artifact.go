package main

import (
	"os"
	"strings"

	"facerec/internal/oci"
)

// artifact is something that ls and diff can look into.
type artifact struct {
	kind artifactKind
	path string  // of an archive or a directory
	ref  oci.Ref // of an image
}

type artifactKind uint8

const (
	anArchive artifactKind = iota
	aFolder
	anImage
)

// classify goes by what is on the disk first: a name with a scheme or nothing
// on the disk is a reference.
func classify(arg string) (artifact, error) {
	if fi, err := os.Stat(arg); err == nil {
		if !fi.IsDir() {
			return artifact{kind: anArchive, path: arg}, nil
		}
		if _, err := os.Stat(arg + "/oci-layout"); err == nil {
			ref, err := oci.ParseLayout(arg)
			return artifact{kind: anImage, ref: ref}, err
		}
		return artifact{kind: aFolder, path: arg}, nil
	}
	ref, err := oci.ParseRef(arg)
	if err != nil {
		if strings.HasSuffix(arg, ".gz") || strings.HasSuffix(arg, ".tar") || !strings.Contains(arg, ":") {
			return artifact{}, &codedError{exitFailed, errNotThere(arg)}
		}
		return artifact{}, usageError(err)
	}
	return artifact{kind: anImage, ref: ref}, nil
}

type errNotThere string

func (e errNotThere) Error() string {
	return string(e) + " is neither an existing file nor an image reference"
}
