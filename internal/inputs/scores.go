package inputs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"facerec/toolchain"
)

// addScores compiles toolchain/dlib/scores.cc into libdlib.a and has the two
// headers in which dlib's detectors answer note their scores.
func addScores(ctx context.Context, out string, t toolchain.Target) error {
	header, err := toolchain.Files.ReadFile("dlib/scores.h")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "include", "facerec", "scores.h"), header, 0o644); err != nil {
		return err
	}
	dlib := filepath.Join(out, "include", "dlib")
	for _, h := range []struct {
		path string
		call scoreCall
	}{
		{filepath.Join(dlib, "image_processing", "object_detector.h"), hogAnswer},
		{filepath.Join(dlib, "dnn", "loss.h"), cnnAnswer},
	} {
		b, err := os.ReadFile(h.path)
		if err != nil {
			return fmt.Errorf("dlib's headers are not laid out as expected: %w", err)
		}
		text, err := h.call.edit(string(b))
		if err != nil {
			return fmt.Errorf("dlib's %s: %w", filepath.Base(h.path), err)
		}
		if err := os.WriteFile(h.path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	work := filepath.Join(out, "scores")
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	source, err := toolchain.Files.ReadFile("dlib/scores.cc")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "scores.cc"), source, 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{
		{filepath.Join(out, "bin", "c++"), "-std=gnu++17", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", "-I" + filepath.Join(out, "include", "facerec"), "-c", "scores.cc"},
		{t.Triplet + "-ar", "rcsD", filepath.Join("..", "lib", "libdlib.a"), "scores.o"},
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = work
		if _, err := output(cmd); err != nil {
			return err
		}
	}
	return os.RemoveAll(work)
}

// scoreCall is a statement of dlib and what is put before it. The statement is the
// first one after another text that its header has exactly once.
type scoreCall struct{ after, statement, before string }

var (
	// hogAnswer is where the HOG detector makes rectangles of its answer.
	hogAnswer = scoreCall{"std::vector<rectangle> object_detector<image_scanner_type>::", "std::vector<rectangle> final_dets(dets.size());", "face_scores::note_scores(dets);\n        "}
	// cnnAnswer is where the CNN detector returns its answer for one picture.
	cnnAnswer = scoreCall{"final_dets.push_back(mmod_rect(dets_accum[i].rect_bbr,", "*iter++ = std::move(final_dets);", "face_scores::note_scores(final_dets);\n                "}
)

// edit adds the call. A header without the texts is not the one that this was
// written for: scores would be missing silently.
func (s scoreCall) edit(text string) (string, error) {
	if n := strings.Count(text, s.after); n != 1 {
		return "", fmt.Errorf("expected %q once, found it %d times: look at how its new version answers, and at toolchain/dlib/scores.h", s.after, n)
	}
	head, tail, _ := strings.Cut(text, s.after)
	before, rest, found := strings.Cut(tail, s.statement)
	if !found {
		return "", fmt.Errorf("expected %q after %q: look at how its new version answers, and at toolchain/dlib/scores.h", s.statement, s.after)
	}
	return "#include \"../../facerec/scores.h\"\n" + head + s.after + before + s.before + s.statement + rest, nil
}
