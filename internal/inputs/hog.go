package inputs

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"facerec/toolchain"
)

// addHog compiles toolchain/hog into libdlib.a and has two of dlib's headers
// take it: the HOG scanner its functions, the frontal face detector its weights.
func addHog(ctx context.Context, out string, t toolchain.Target) error {
	names, err := fs.Glob(toolchain.Files, "hog/*")
	if err != nil {
		return err
	}
	work, headers := filepath.Join(out, "hog"), filepath.Join(out, "include", "facerec")
	for _, dir := range []string{work, headers} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	for _, name := range names {
		b, err := toolchain.Files.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, filepath.FromSlash(name)), b, 0o644); err != nil {
			return err
		}
	}
	for _, name := range []string{"hog.h", "detector.h", "faces.h"} {
		if err := os.Rename(filepath.Join(work, name), filepath.Join(headers, name)); err != nil {
			return err
		}
	}
	for _, h := range []struct {
		name string
		edit func(string) (string, error)
	}{{"scan_fhog_pyramid.h", editScanner}, {"frontal_face_detector.h", editFaces}} {
		path := filepath.Join(out, "include", "dlib", "image_processing", h.name)
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("dlib's headers are not laid out as expected: %w", err)
		}
		text, err := h.edit(string(b))
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
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

// packedFaces is the SHA-256 of the text in dlib's header that holds the
// weights of the frontal face detector, of which toolchain/hog/faces.dat was made.
const packedFaces = "ed52867f54b561109ccc9ee0afe2e3500ce437ccaba1cddf754df13149c1a682"

var facesText = regexp.MustCompile(`(?m)^ *sout << "([A-Za-z0-9+/=]*)";`)

// editFaces puts the unpacked weights in the place of the packed ones, if they
// are the same.
func editFaces(text string) (string, error) {
	var packed strings.Builder
	for _, m := range facesText.FindAllStringSubmatch(text, -1) {
		packed.WriteString(m[1])
	}
	if got := sum([]byte(packed.String())); got != packedFaces {
		return "", fmt.Errorf("dlib's frontal_face_detector.h holds a detector with hash %s, expected %s: make toolchain/hog/faces.dat anew, as toolchain/README.md says", got, packedFaces)
	}
	const call = "sin(get_serialized_frontal_faces())"
	if n := strings.Count(text, call); n != 1 {
		return "", fmt.Errorf("dlib's frontal_face_detector.h says %q %d times, expected once: look at where its new version unpacks its weights", call, n)
	}
	return "#include \"../../facerec/faces.h\"\n" + strings.Replace(text, call, "sin(FRONTAL_FACES)", 1), nil
}
