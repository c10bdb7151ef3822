package inputs

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"facerec/toolchain"
)

// addHog compiles toolchain/hog into libdlib.a and has two of dlib's headers
// take it: the HOG scanner its functions, the frontal face detector its weights,
// unpacked. hostLib is a libdlib.a for this machine.
func addHog(ctx context.Context, out, hostLib string, t toolchain.Target) error {
	work, headers := filepath.Join(out, "hog"), filepath.Join(out, "include", "facerec")
	if _, err := writeSources(out, "hog"); err != nil {
		return err
	}
	if err := os.Mkdir(headers, 0o755); err != nil {
		return err
	}
	detector := filepath.Join(out, "include", "dlib", "image_processing", "frontal_face_detector.h")
	weights, err := unpackFaces(ctx, detector, work, hostLib)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "faces.dat"), weights, 0o644); err != nil {
		return err
	}
	for _, name := range []string{"hog.h", "detector.h", "faces.h"} {
		if err := os.Rename(filepath.Join(work, name), filepath.Join(headers, name)); err != nil {
			return err
		}
	}
	for _, h := range []struct {
		path string
		edit func(string) (string, error)
	}{{filepath.Join(filepath.Dir(detector), "scan_fhog_pyramid.h"), editScanner}, {detector, editFaces}} {
		b, err := os.ReadFile(h.path)
		if err != nil {
			return fmt.Errorf("dlib's headers are not laid out as expected: %w", err)
		}
		text, err := h.edit(string(b))
		if err != nil {
			return err
		}
		if err := os.WriteFile(h.path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{filepath.Join(out, "bin", "c++"), "-std=gnu++17", "-O3", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-I" + headers, "-c", "hog.cc", "faces.cc"},
		{t.Triplet + "-ar", "rcsD", filepath.Join("..", "lib", "libdlib.a"), "hog.o", "faces.o"},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = work
		if _, err := output(cmd); err != nil {
			return err
		}
	}
	return os.RemoveAll(work)
}

// editScanner has dlib's HOG scanner see detector.h, after all of its own. The
// names that detector.h counts on must be there: without them the compiler would
// quietly take dlib's functions.
func editScanner(text string) (string, error) {
	for _, call := range []string{"extract_fhog_features(img,hog,cell_size,", "float_spatially_filter_image_separable(feats[i], saliency_image,"} {
		if !strings.Contains(text, call) {
			return "", fmt.Errorf("dlib's scan_fhog_pyramid.h has no %q: look at what its new version calls it, and at toolchain/hog/detector.h", call)
		}
	}
	return text + "\n#include \"../../facerec/detector.h\"\n", nil
}

// faces is the SHA-256 of the unpacked weights of dlib's frontal face detector, in
// every version so far.
const faces = "f3f7aa833fb4a14a46fc48689f45b98d85ef72d6dfaf8bdc012b7d3c522a5426"

var facesText = regexp.MustCompile(`(?m)^ *sout << "([A-Za-z0-9+/=]*)";`)

// unpackFaces gives the weights that the detector's header has as text, unpacked by
// hog/unpack.cc in the directory work, compiled for this machine with lib, its libdlib.a.
func unpackFaces(ctx context.Context, header, work, lib string) ([]byte, error) {
	b, err := os.ReadFile(header)
	if err != nil {
		return nil, fmt.Errorf("dlib's headers are not laid out as expected: %w", err)
	}
	var text strings.Builder
	for _, m := range facesText.FindAllSubmatch(b, -1) {
		text.Write(m[1])
	}
	packed, err := base64.StdEncoding.DecodeString(text.String())
	if err == nil && len(packed) == 0 {
		err = errors.New("no text of that shape")
	}
	if err != nil {
		return nil, fmt.Errorf("%s does not hold its weights as base64: %w", header, err)
	}
	program := filepath.Join(work, "unpack")
	include := filepath.Dir(filepath.Dir(filepath.Dir(header)))
	if _, err := output(exec.CommandContext(ctx, "g++", "-std=gnu++17", "-O2", "-I"+include, "-o", program, program+".cc", lib)); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Stdin = bytes.NewReader(packed)
	out, err := output(cmd)
	if err != nil {
		return nil, err
	}
	if got := sum(out); got != faces {
		return nil, fmt.Errorf("dlib's frontal_face_detector.h holds a detector with hash %s, expected %s: with it faces are found elsewhere; if that is wanted, put the hash into internal/inputs/hog.go", got, faces)
	}
	return out, nil
}

// editFaces puts the unpacked weights in the place of the packed ones.
func editFaces(text string) (string, error) {
	const call = "sin(get_serialized_frontal_faces())"
	if n := strings.Count(text, call); n != 1 {
		return "", fmt.Errorf("dlib's frontal_face_detector.h says %q %d times, expected once: look at where its new version unpacks its weights", call, n)
	}
	return "#include \"../../facerec/faces.h\"\n" + strings.Replace(text, call, "sin(FRONTAL_FACES)", 1), nil
}
