package tarball

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

func plainTree(t *testing.T) Tree {
	t.Helper()
	long := strings.Repeat("n", 120)
	tree, err := NewTree([]Entry{
		{Name: "b", Type: Dir, Mode: 0o755},
		{Name: "b/" + long, Type: Regular, Mode: 0o644, Content: BytesContent(bytes.Repeat([]byte("x"), 700))},
		{Name: "a", Type: Regular, Mode: 0o644, Content: BytesContent(nil)},
		{Name: "c", Type: Regular, Mode: 0o644, Content: BytesContent([]byte("sea"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestWriteTar has tar list what was written.
func TestWriteTar(t *testing.T) {
	for _, prefix := range []string{"", "top"} {
		var b bytes.Buffer
		if err := WriteTar(t.Context(), &b, plainTree(t), prefix); err != nil {
			t.Fatal(err)
		}
		if err := CheckFrame(bytes.NewReader(b.Bytes()), int64(b.Len()), plainTree(t), prefix); err != nil {
			t.Errorf("prefix %q: %v", prefix, err)
		}
		cmd := exec.Command("tar", "-tf", "-")
		cmd.Stdin = &b
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "c\n") {
			t.Errorf("prefix %q: %v: %s", prefix, err, out)
		}
	}
}

// TestCheckFrame flips a bit of every byte: those of contents are not seen, and
// every other one is.
func TestCheckFrame(t *testing.T) {
	tree := plainTree(t)
	var b bytes.Buffer
	if err := WriteTar(t.Context(), &b, tree, ""); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	unseen := 0
	for i := range raw {
		raw[i] ^= 0x10
		err := CheckFrame(bytes.NewReader(raw), int64(len(raw)), tree, "")
		raw[i] ^= 0x10
		var frame *FrameError
		switch {
		case err == nil:
			unseen++
		case !errors.As(err, &frame) || frame.Offset != int64(i):
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	if unseen != 703 {
		t.Errorf("%d bytes were not compared, expected the 703 of contents", unseen)
	}
	for _, n := range []int{0, len(raw) - 1, len(raw) + 1} {
		if err := CheckFrame(bytes.NewReader(append(bytes.Clone(raw), 0)[:n]), int64(n), tree, ""); err == nil {
			t.Errorf("%d bytes are accepted, expected %d", n, len(raw))
		}
	}
}
