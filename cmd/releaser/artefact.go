package main

import (
	"os"
	"strings"

	"facerec/internal/oci"
)

// artefact is something that ls and diff can look into.
type artefact struct {
	kind artefactKind
	path string  // of an archive or a folder
	ref  oci.Ref // of an image
}

type artefactKind uint8

const (
	anArchive artefactKind = iota
	aFolder
	anImage
)

// classify goes by what is on the disk first: a name with a scheme or nothing
// on the disk is a reference.
func classify(arg string) (artefact, error) {
	if fi, err := os.Stat(arg); err == nil {
		if !fi.IsDir() {
			return artefact{kind: anArchive, path: arg}, nil
		}
		if _, err := os.Stat(arg + "/oci-layout"); err == nil {
			ref, err := oci.ParseLayout(arg)
			return artefact{kind: anImage, ref: ref}, err
		}
		return artefact{kind: aFolder, path: arg}, nil
	}
	ref, err := oci.ParseRef(arg)
	if err != nil {
		if strings.HasSuffix(arg, ".gz") || strings.HasSuffix(arg, ".tar") || !strings.Contains(arg, ":") {
			return artefact{}, &codedError{exitFailed, errNotThere(arg)}
		}
		return artefact{}, usageError(err)
	}
	return artefact{kind: anImage, ref: ref}, nil
}

type errNotThere string

func (e errNotThere) Error() string {
	return string(e) + " is not there, and it is no image reference either"
}
