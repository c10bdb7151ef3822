package models

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"facerec/internal/atomicfile"
)

// pinOf pins a content.
func pinOf(name string, content []byte) Model {
	h := sha256.Sum256(content)
	return Model{Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(h[:])}
}

var (
	bigModel  = bytes.Repeat([]byte("weights "), 40_000)
	tinyModel = []byte("landmarks")
	twoModels = Lock{Models: []Model{pinOf("big.dat", bigModel), pinOf("tiny.dat", tinyModel)}}
	baked     = fstest.MapFS{"big.dat": {Data: bigModel}, "tiny.dat": {Data: tinyModel}}
)

func flipped(b []byte) []byte {
	out := bytes.Clone(b)
	out[len(out)/2] ^= 1
	return out
}

func TestHeal(t *testing.T) {
	for name, tt := range map[string]struct {
		found map[string][]byte
		want  []State // of what is repaired, in the lock's order
	}{
		"wiped":        {nil, []State{Missing, Missing}},
		"whole":        {map[string][]byte{"big.dat": bigModel, "tiny.dat": tinyModel}, nil},
		"truncated":    {map[string][]byte{"big.dat": bigModel[:100], "tiny.dat": tinyModel}, []State{WrongSize}},
		"empty":        {map[string][]byte{"big.dat": bigModel, "tiny.dat": {}}, []State{WrongSize}},
		"too long":     {map[string][]byte{"big.dat": bigModel, "tiny.dat": append(bytes.Clone(tinyModel), 0)}, []State{WrongSize}},
		"one bit":      {map[string][]byte{"big.dat": flipped(bigModel), "tiny.dat": tinyModel}, []State{WrongHash}},
		"left behind":  {map[string][]byte{"big.dat": bigModel, "tiny.dat": tinyModel, ".partial-ABCDEFGH": []byte("half")}, nil},
		"other things": {map[string][]byte{"big.dat": bigModel, "notes.txt": []byte("mine"), ".hidden.tmp": []byte("mine")}, []State{Missing}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a[b]*") // no pattern of ours
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for name, data := range tt.found {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			repaired, err := Heal(t.Context(), dir, baked, twoModels)
			if err != nil {
				t.Fatal(err)
			}
			var got []State
			for _, f := range repaired {
				got = append(got, f.State)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("repaired %v, expected %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("repaired %v, expected %v", got, tt.want)
				}
			}
			if err := Verify(os.DirFS(dir), twoModels).Err(); err != nil {
				t.Error(err)
			}
			for name, data := range tt.found {
				kept, err := os.ReadFile(filepath.Join(dir, name))
				if strings.Contains(name, "ABCDEFGH") != errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v", name, err)
				}
				if _, pinned := twoModels.Find(name); !pinned && err == nil && !bytes.Equal(kept, data) {
					t.Errorf("%s was touched", name)
				}
			}
			for _, f := range repaired {
				if fi, err := os.Stat(filepath.Join(dir, f.Model.Name)); err != nil || fi.Mode().Perm() != 0o644 {
					t.Errorf("%v, %v", fi.Mode(), err)
				}
			}
		})
	}
}

// A link in the directory is replaced, and what it points at is left alone.
func TestHealReplacesLinks(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(outside, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "tiny.dat")); err != nil {
		t.Fatal(err)
	}
	if _, err := Heal(t.Context(), dir, baked, twoModels); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(outside); err != nil || string(got) != "precious" {
		t.Errorf("%q, %v", got, err)
	}
	if fi, err := os.Lstat(filepath.Join(dir, "tiny.dat")); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
}

func TestHealFails(t *testing.T) {
	for name, tt := range map[string]struct {
		source fs.FS
		says   string
	}{
		"source missing":   {fstest.MapFS{"big.dat": {Data: bigModel}}, "unusable"},
		"source truncated": {fstest.MapFS{"big.dat": {Data: bigModel}, "tiny.dat": {Data: tinyModel[:3]}}, "got 3 with"},
		"source flipped":   {fstest.MapFS{"big.dat": {Data: bigModel}, "tiny.dat": {Data: flipped(tinyModel)}}, "expected 9 bytes with sha256"},
		"source endless":   {fstest.MapFS{"big.dat": {Data: bigModel}, "tiny.dat": {Data: bigModel}}, "got 10 with"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			was := []byte("what was there")
			if err := os.WriteFile(filepath.Join(dir, "tiny.dat"), was, 0o644); err != nil {
				t.Fatal(err)
			}
			repaired, err := Heal(t.Context(), dir, tt.source, twoModels)
			var source *SourceError
			if !errors.As(err, &source) || source.Name != "tiny.dat" || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			if len(repaired) != 1 || repaired[0].Model.Name != "big.dat" {
				t.Errorf("repaired %v", repaired)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "tiny.dat")); err != nil || !bytes.Equal(got, was) {
				t.Errorf("now there is %q, %v", got, err)
			}
			if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
				t.Errorf("left behind: %v, %v", list, err)
			}
		})
	}
	if _, err := Heal(t.Context(), filepath.Join(t.TempDir(), "none"), baked, twoModels); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// TestHealTogether heals one directory from many sides while somebody reads it:
// at no time is there a file that is not whole.
func TestHealTogether(t *testing.T) {
	dir := t.TempDir()
	var healers sync.WaitGroup
	stop := make(chan struct{})
	watched := make(chan error, 1)
	go func() {
		for {
			if data, err := os.ReadFile(filepath.Join(dir, "big.dat")); err == nil && !bytes.Equal(data, bigModel) {
				watched <- errors.New("saw a file that is not whole")
				return
			}
			select {
			case <-stop:
				watched <- nil
				return
			default:
			}
		}
	}()
	var total sync.Map
	for i := range 8 {
		healers.Go(func() {
			repaired, err := Heal(t.Context(), dir, baked, twoModels)
			if err != nil {
				t.Error(err)
			}
			total.Store(i, len(repaired))
		})
	}
	healers.Wait()
	close(stop)
	if err := <-watched; err != nil {
		t.Error(err)
	}
	n := 0
	total.Range(func(_, v any) bool { n += v.(int); return true })
	if n != 2 {
		t.Errorf("%d files repaired by 8 at once, expected that each is repaired once", n)
	}
	if err := Verify(os.DirFS(dir), twoModels).Err(); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

// Whoever waits for another process can be interrupted.
func TestHealInterrupted(t *testing.T) {
	dir := t.TempDir()
	unlock, err := atomicfile.LockDir(t.Context(), dir)
	if err != nil {
		t.Skipf("no locks on this file system: %v", err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Heal(ctx, dir, baked, twoModels); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
