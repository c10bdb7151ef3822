package inputs

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/models"
)

// bzipped compresses with the real program; the standard library only reads.
func bzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	if _, err := exec.LookPath("bzip2"); err != nil {
		t.Skip("bzip2 is not installed")
	}
	cmd := exec.Command("bzip2", "-c")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func modelPin(name, content string) models.Model {
	h := sha256.Sum256([]byte(content))
	return models.Model{Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(h[:])}
}

func noLeftovers(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && strings.Contains(d.Name(), ".new-") {
				t.Errorf("%s was left behind", path)
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
	}
}

func TestModelsHTTP(t *testing.T) {
	a, b := modelPin("a.dat", "the first"), modelPin("b.dat", strings.Repeat("second ", 1000))
	lock := models.Lock{Models: []models.Model{a, b}}
	served := map[string][]byte{
		"/files/a.dat.bz2": bzipped(t, []byte("the first")),
		"/files/b.dat.bz2": bzipped(t, []byte(strings.Repeat("second ", 1000))),
	}
	requests := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		body, ok := served[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(body)
	}))
	defer srv.Close()
	origin := ModelOrigin{BaseURL: srv.URL + "/files/"}

	dir := t.TempDir()
	s := &Store{Dir: t.TempDir()}
	if err := s.Models(t.Context(), lock, dir, origin); err != nil {
		t.Fatal(err)
	}
	if r := models.Verify(os.DirFS(dir), lock); !r.OK() {
		t.Fatal(r.Err())
	}
	if requests != 2 {
		t.Errorf("%d requests, expected 2", requests)
	}

	// Again: nothing is fetched. Damaged: replaced, out of the cache.
	if err := os.WriteFile(filepath.Join(dir, "a.dat"), []byte("the fir"), 0o644); err != nil {
		t.Fatal(err)
	}
	var said []string
	s.Say = func(format string, args ...any) { said = append(said, format) }
	if err := s.Models(t.Context(), lock, dir, origin); err != nil {
		t.Fatal(err)
	}
	if r := models.Verify(os.DirFS(dir), lock); !r.OK() || requests != 2 {
		t.Errorf("%v after healing, %d requests", r.Err(), requests)
	}
	if len(said) < 2 {
		t.Errorf("it said only %q", said)
	}

	failures := []struct {
		name, path string
		body       []byte
		wrongHash  bool
	}{
		{"other bytes", "/files/a.dat.bz2", bzipped(t, []byte("the fisrt")), true},
		{"a bomb", "/files/a.dat.bz2", bzipped(t, make([]byte, 1<<24)), true},
		{"truncated", "/files/b.dat.bz2", served["/files/b.dat.bz2"][:30], false},
		{"no bzip2", "/files/b.dat.bz2", []byte("<html>"), false},
		{"gone", "/files/b.dat.bz2", nil, false},
	}
	for _, tt := range failures {
		t.Run(tt.name, func(t *testing.T) {
			old := served[tt.path]
			defer func() { served[tt.path] = old }()
			if served[tt.path] = tt.body; tt.body == nil {
				delete(served, tt.path)
			}
			dir, s := t.TempDir(), &Store{Dir: t.TempDir()}
			err := s.Models(t.Context(), lock, dir, origin)
			var wrong *WrongHash
			if err == nil || errors.As(err, &wrong) != tt.wrongHash {
				t.Fatalf("error %v", err)
			}
			if name := filepath.Base(tt.path); !strings.Contains(err.Error(), name) {
				t.Errorf("%v does not name %s", err, name)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has more than one line", err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 0 {
				t.Errorf("%v was left behind", entries)
			}
			noLeftovers(t, s.Dir)
		})
	}
}

func tarball(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bzipped(t, b.Bytes())
}

// TestModelsOffline takes them from whichever of the three forms is there.
func TestModelsOffline(t *testing.T) {
	lock := models.Lock{Models: []models.Model{modelPin("a.dat", "aa"), modelPin("b.dat", "bb"), modelPin("c.dat", "cc")}}
	pin := Pin{File: "models.tar.bz2"}
	offline := t.TempDir()
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(offline, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a.dat", []byte("aa"))
	write("b.dat.bz2", bzipped(t, []byte("bb")))
	run := func() (string, error) {
		dir := t.TempDir()
		s := &Store{Dir: t.TempDir(), Offline: offline}
		return dir, s.Models(t.Context(), lock, dir, ModelOrigin{Pin: &pin})
	}
	if dir, err := run(); err == nil || !strings.Contains(err.Error(), "c.dat") {
		t.Errorf("without c.dat: %v", err)
	} else if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("half of the models were written: %v", entries)
	}
	write(pin.File, tarball(t, [2]string{"m/x.dat", "x"}, [2]string{"m/c.dat", "cc"}))
	dir, err := run()
	if err != nil {
		t.Fatal(err)
	}
	if r := models.Verify(os.DirFS(dir), lock); !r.OK() {
		t.Error(r.Err())
	}
	write(pin.File, tarball(t, [2]string{"m/c.dat", "CC"}))
	var wrong *WrongHash
	if _, err := run(); !errors.As(err, &wrong) {
		t.Errorf("a wrong file in the tarball: %v", err)
	}
	write("a.dat", []byte("AA"))
	if _, err := run(); !errors.As(err, &wrong) {
		t.Errorf("a wrong plain file: %v", err)
	}
}

// TestStore wants a damaged cache entry to be fetched anew, and a missing
// offline file named.
func TestStore(t *testing.T) {
	m := modelPin("x_1_all.deb", "package")
	pin := Pin{Use: "u", Kind: "deb", Suite: "s", Name: "x", Version: "1", Arch: "all", File: m.Name, Size: m.Size, SHA256: m.SHA256}
	offline := t.TempDir()
	s := &Store{Dir: t.TempDir(), Offline: offline}
	if _, err := s.Get(t.Context(), pin); err == nil || !strings.Contains(err.Error(), pin.File) || !strings.Contains(err.Error(), "vendor") {
		t.Errorf("a missing offline file: %v", err)
	}
	if err := os.WriteFile(filepath.Join(offline, pin.File), []byte("package"), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := s.Get(t.Context(), pin)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("packagE"), 0o644); err != nil {
		t.Fatal(err)
	}
	if path, err = s.Get(t.Context(), pin); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "package" {
		t.Errorf("%q, %v after the cache was damaged", b, err)
	}
}
