package dlib

import (
	"os"
	"strings"
	"testing"
)

// TestGoFace wants the version that is reported to be the one that is compiled in.
func TestGoFace(t *testing.T) {
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "github.com/Kagami/go-face "+GoFace) {
		t.Errorf("go.mod does not have go-face %s", GoFace)
	}
}
