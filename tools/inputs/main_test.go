package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/inputs"
)

func TestCode(t *testing.T) {
	tests := []struct {
		err         error
		interrupted bool
		want        int
	}{
		{nil, false, 0},
		{flag.ErrHelp, false, 0},
		{errors.New("no network"), false, 1},
		{usageError{errors.New("no verb")}, false, 2},
		{fmt.Errorf("%w: 2 findings", errDiffers), false, 3},
		{fmt.Errorf("models: %w", &inputs.WrongHash{File: "a"}), false, 3},
		{fmt.Errorf("dlib: %w", &inputs.NotInstalled{Program: "arm-linux-gnueabihf-g++", Packages: []string{"g++-arm-linux-gnueabihf"}}), false, 127},
		{context.Canceled, true, 130},
	}
	for _, tt := range tests {
		var stderr bytes.Buffer
		if got := code(tt.err, tt.interrupted, &stderr); got != tt.want {
			t.Errorf("%v: %d, expected %d", tt.err, got, tt.want)
		}
		if tt.want != 0 && strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%v: said %q, expected one line", tt.err, stderr.String())
		}
	}
}

// TestUsage calls what is wrong before anything is fetched.
func TestUsage(t *testing.T) {
	t.Chdir("../..")
	cache := t.TempDir()
	empty := t.TempDir()
	tests := []struct {
		args []string
		want int
		says string
	}{
		{nil, 2, "no verb"},
		{[]string{"help"}, 0, ""},
		{[]string{"fetch"}, 2, `"fetch"`},
		{[]string{"models", "--no-such-flag"}, 2, "no-such-flag"},
		{[]string{"models", "extra"}, 2, "extra"},
		{[]string{"models", "--from", "elsewhere"}, 2, "debian, dlib.net"},
		{[]string{"models", "--dir", filepath.Join(empty, "m"), "--offline", empty}, 1, "dlib_face_recognition"},
		{[]string{"models", "--lock", filepath.Join(empty, "none")}, 1, "none"},
		{[]string{"samples", "--persons", empty, "--images", empty, "--offline", empty}, 1, "libdlib19.1"},
		{[]string{"dlib", "--lineage", "dlib18"}, 1, "dlib19, dlib20"},
		{[]string{"dlib", "--platform", "linux/s390x"}, 1, "linux/arm/v7"},
		{[]string{"vendor"}, 2, "one directory"},
		{[]string{"packages", "nonsense"}, 2, "build, cross, test"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			args := tt.args
			if len(args) > 0 && args[0] != "help" && args[0] != "fetch" {
				args = append([]string{args[0], "--cache", cache}, args[1:]...)
			}
			var stdout, stderr bytes.Buffer
			err := run(t.Context(), args, &stdout, &stderr)
			if got := code(err, false, &stderr); got != tt.want || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("code %d, %v; expected %d and %q", got, err, tt.want, tt.says)
			}
		})
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) != 1 { // the directory m, made for the models
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
