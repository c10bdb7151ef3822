package models

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"testing/iotest"
)

// odd is a file system whose files have the size that is pinned and give other
// bytes, or fail.
type odd struct {
	size int64
	body func() io.Reader
}

func (o odd) Open(name string) (fs.File, error) {
	f, err := fstest.MapFS{name: {Data: make([]byte, o.size)}}.Open(name)
	return oddFile{f, o.body()}, err
}

type oddFile struct {
	fs.File
	body io.Reader
}

func (f oddFile) Read(p []byte) (int, error) { return f.body.Read(p) }

// What fails or changes while it is read is never "ok", and never put in place.
func TestReadingFails(t *testing.T) {
	broken := errors.New("broken disk")
	good := []byte("model")
	pin := pinOf("a.dat", good)
	for _, c := range []struct {
		name  string
		body  func() io.Reader
		state State
	}{
		{"it breaks", func() io.Reader { return iotest.ErrReader(broken) }, Unread},
		{"it breaks in the middle", func() io.Reader {
			return io.MultiReader(io.LimitReader(iotest.OneByteReader(zeros{}), 3), iotest.ErrReader(broken))
		}, Unread},
		{"it is shorter than its size", func() io.Reader { return io.LimitReader(zeros{}, 3) }, WrongSize},
		{"it is longer than its size", func() io.Reader { return io.LimitReader(zeros{}, 9) }, WrongSize},
		{"it has other bytes", func() io.Reader { return io.LimitReader(zeros{}, 5) }, WrongHash},
	} {
		source := odd{int64(len(good)), c.body}
		l := Lock{Models: []Model{pin}}
		got := Verify(source, l).Files[0]
		if got.State != c.state {
			t.Errorf("%s: verify: got %s, expected %s", c.name, got.State, c.state)
		}
		if c.state == Unread && !errors.Is(got.Cause, broken) {
			t.Errorf("%s: verify: got the cause %v", c.name, got.Cause)
		}
		dir := t.TempDir()
		_, err := Heal(t.Context(), dir, source, l)
		var unusable *SourceError
		if !errors.As(err, &unusable) || unusable.Name != "a.dat" || c.state == Unread && !errors.Is(err, broken) {
			t.Errorf("%s: heal: got %v, expected that the copy is unusable", c.name, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, "a.dat")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: heal put it in place: %v", c.name, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestHealNowhere(t *testing.T) {
	if _, err := Heal(t.Context(), filepath.Join(t.TempDir(), "none"), fstest.MapFS{}, Lock{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such directory: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Heal(ctx, t.TempDir(), fstest.MapFS{}, Lock{Models: []Model{pinOf("a.dat", []byte("x"))}}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestStateWords(t *testing.T) {
	for s, expected := range map[State]string{OK: "ok", Missing: "missing", WrongSize: "wrong size", WrongHash: "wrong hash", Unread: "unreadable", 9: "State(9)"} {
		if got := s.String(); got != expected {
			t.Errorf("got %q, expected %q", got, expected)
		}
	}
}
