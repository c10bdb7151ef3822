package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"facerec/internal/text"
)

// leak is an entry of gitleaks's report.
type leak struct {
	RuleID, File, Fingerprint string
	StartLine                 int
}

// leaks runs gitleaks with its own rules, and with the repository's list of
// what is accepted.
func leaks(ctx context.Context, w *world, gitleaks, what string, args ...string) (string, error) {
	all, note, err := report(ctx, w, gitleaks, args...)
	if err != nil {
		return "", err
	}
	var wrong []string
	for _, l := range all {
		wrong = append(wrong, fmt.Sprintf("%s:%d: %s (accept it in .gitleaksignore as %s)", text.Show(l.File), l.StartLine, l.RuleID, text.Show(l.Fingerprint)))
	}
	return note, found("secrets in "+what, wrong)
}

// report runs gitleaks and reads its report. The secrets themselves are not in it.
func report(ctx context.Context, w *world, gitleaks string, args ...string) ([]leak, string, error) {
	dir, err := os.MkdirTemp("", "gates-")
	if err != nil {
		return nil, "", err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "report.json")
	args = append([]string{gitleaks}, args...)
	args = append(args, "--no-banner", "--no-color", "--redact=100", "--exit-code=3", "--report-format=json", "--report-path="+file,
		"--gitleaks-ignore-path="+filepath.Join(w.root, ".gitleaksignore"))
	// A configuration of the environment must not switch rules off.
	r, err := call{dir: w.root, env: []string{"GITLEAKS_CONFIG=", "GITLEAKS_CONFIG_TOML="}, args: args}.run(ctx)
	if err != nil {
		return nil, "", err
	}
	if r.code != 0 && r.code != 3 {
		return nil, "", unchecked("gitleaks: exit code %d: %s", r.code, r.last())
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, "", unchecked("gitleaks wrote no report: %s", r.last())
	}
	var all []leak
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, "", fmt.Errorf("gitleaks's report: %w", err)
	}
	if len(all) == 0 != (r.code == 0) {
		return nil, "", unchecked("gitleaks: exit code %d with %s in its report", r.code, text.Count(len(all), "finding"))
	}
	note := ""
	for line := range strings.Lines(string(r.stderr)) {
		for _, word := range []string{" commits scanned", "scanned ~"} {
			if i := strings.Index(line, word); i >= 0 {
				note = strings.TrimSpace(line[strings.LastIndex(line[:i], "INF")+len("INF"):])
			}
		}
		if strings.Contains(line, "commits scanned") && strings.Contains(line, " 0 commits") {
			return nil, "", unchecked("gitleaks scanned no commit")
		}
	}
	return all, note, nil
}

// canary is a file with a made-up token. Every scan of images has one among the
// layers: a scan that does not report it did not look inside layers.
const canary = "canary.tar.gz"

func imagesGate(ctx context.Context, w *world) (string, error) {
	gitleaks, err := w.scanner(ctx, "gitleaks")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "gates-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	n, err := gatherBlobs(w.layout, dir)
	if err != nil {
		return "", err
	}
	if err := writeCanary(filepath.Join(dir, canary)); err != nil {
		return "", err
	}
	all, note, err := report(ctx, w, gitleaks, "dir", dir, "--max-archive-depth=4")
	if err != nil {
		return "", err
	}
	seen := false
	var wrong []string
	for _, l := range all {
		if strings.HasPrefix(filepath.Base(strings.SplitN(l.File, "!", 2)[0]), canary) {
			seen = true
			continue
		}
		blob, inside, _ := strings.Cut(strings.TrimPrefix(l.File, dir+"/"), "!")
		blob, _, _ = strings.Cut(blob, ".")
		wrong = append(wrong, fmt.Sprintf("sha256:%s, %s:%d: %s", text.Show(blob), text.Show(inside), l.StartLine, l.RuleID))
	}
	if !seen {
		return "", unchecked("gitleaks did not look inside layers: it missed the token that was planted for it")
	}
	return text.Count(n, "blob") + ", " + note, found("secrets in images", wrong)
}

// gatherBlobs copies a layout's blobs under names that say what they are: only
// then gitleaks looks inside, and it follows no links to archives.
func gatherBlobs(layout, dir string) (int, error) {
	blobs := filepath.Join(layout, "blobs", "sha256")
	entries, err := os.ReadDir(blobs)
	if err != nil {
		return 0, unchecked("%w", err)
	}
	if len(entries) == 0 {
		return 0, unchecked("%s has no blobs", blobs)
	}
	for _, e := range entries {
		if err := gatherBlob(filepath.Join(blobs, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return 0, err
		}
	}
	return len(entries), nil
}

func gatherBlob(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(in, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return err
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		to += ".tar.gz"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		to += ".tar.zst"
	case len(head) > 262 && string(head[257:262]) == "ustar":
		to += ".tar"
	default:
		to += ".json"
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.MultiReader(bytes.NewReader(head), in))
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

func writeCanary(name string) error {
	// Put together here, so that the scan of the history does not find it.
	token := "gh" + "p_" + "0123456789abcdefghijABCDEFGHIJ012345"
	return writeTarGz(name, map[string]string{"canary.txt": "token = " + token + "\n"})
}

func writeTarGz(name string, files map[string]string) error {
	var raw bytes.Buffer
	zip := gzip.NewWriter(&raw)
	archive := tar.NewWriter(zip)
	for n, content := range files {
		if err := archive.WriteHeader(&tar.Header{Name: n, Mode: int64(fs.FileMode(0o644)), Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := archive.Write([]byte(content)); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, raw.Bytes(), 0o600)
}
