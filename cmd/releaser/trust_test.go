package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facerec/internal/trust"
	"facerec/internal/verify"
)

// keep stores a kept root where this test's user has it.
func keep(t *testing.T, k trust.Kept) string {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	dir, err := trustFolder()
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := k.Format()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, keptFile)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// emptyRoot is a trusted root that trusts nobody.
const emptyRoot = `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`

func someKept(anchor string, tufRoot int64, until time.Time) trust.Kept {
	return trust.Kept{Mirror: "https://mirror.example", Anchor: anchor, Fetched: until.AddDate(0, -6, 0), Root: []byte(emptyRoot), Metadata: []trust.Metadata{
		{Role: "root", Version: tufRoot, Expires: until}, {Role: "targets", Version: 1, Expires: until.AddDate(0, 1, 0)},
		{Role: "snapshot", Version: 1, Expires: until}, {Role: "timestamp", Version: 1, Expires: until.AddDate(0, -5, 0)},
	}}
}

// TestAgeOfTheRoot sees roots used, used with a warning, and refused, by one rule
// for the carried and the kept.
func TestAgeOfTheRoot(t *testing.T) {
	_, origin, err := verify.PublicGood()
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{verify.FromProgram, verify.FromUpdate} {
		for _, c := range []struct {
			days          int
			warns, refuse bool
		}{{-1, false, false}, {1, true, false}, {364, true, false}, {366, false, true}} {
			t.Setenv("XDG_CONFIG_HOME", t.TempDir())
			if from == verify.FromUpdate {
				keep(t, someKept("sha256:anchor", 1, origin.Until))
			}
			var errs bytes.Buffer
			a := &app{errs: &console{w: &errs}, quiet: true}
			root, err := a.trustedRoot("", origin.Until.AddDate(0, 0, c.days))
			var e *verify.Error
			if refused := errors.As(err, &e) && e.Class == verify.Untrusted && strings.Contains(err.Error(), "trust update"); refused != c.refuse || !refused && err != nil {
				t.Errorf("%s, %d days: got %v", from, c.days, err)
			}
			if warned := strings.Contains(errs.String(), "was good until "+origin.Until.Format(time.DateOnly)); warned != c.warns {
				t.Errorf("%s, %d days: got %q", from, c.days, errs.String())
			}
			if o := root.Origin(); o.From != from || o.Stale != (c.days > 0) || *o.AgeDays < 100 {
				t.Errorf("%s, %d days: got %+v", from, c.days, o)
			}
		}
	}
}

// TestWhichRoot sees a file win over the kept root, the kept over the carried, and
// the carried over one that was kept for an older program.
func TestWhichRoot(t *testing.T) {
	_, carried, err := verify.PublicGood()
	if err != nil {
		t.Fatal(err)
	}
	now := carried.Until.AddDate(0, -1, 0)
	file := filepath.Join(t.TempDir(), "trusted_root.json")
	if err := os.WriteFile(file, []byte(emptyRoot), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, anchor string
		tufRoot      int64
		file, want   string
	}{
		{"file", "public-good", carried.TUFRoot, file, verify.FromFile},
		{"kept", "public-good", carried.TUFRoot, "", verify.FromUpdate},
		{"kept is older", "public-good", carried.TUFRoot - 1, "", verify.FromProgram},
		{"kept is somebody else's", "sha256:anchor", 1, "", verify.FromUpdate},
	} {
		keep(t, someKept(c.anchor, c.tufRoot, carried.Until))
		root, err := chooseRoot(c.file, now)
		if err != nil || root.Origin().From != c.want {
			t.Errorf("%s: got %+v, %v", c.name, root, err)
		}
	}
	path := keep(t, someKept("public-good", carried.TUFRoot, carried.Until))
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var e *verify.Error
	if _, err := chooseRoot("", now); !errors.As(err, &e) || e.Class != verify.Untrusted || !strings.Contains(err.Error(), path) {
		t.Errorf("a damaged one: got %v", err)
	}
	if root, err := chooseRoot(file, now); err != nil || root.Origin().From != verify.FromFile {
		t.Errorf("a damaged one, and a file: got %v", err)
	}
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("HOME", "")
	if root, err := chooseRoot("", now); err != nil || root.Origin().From != verify.FromProgram {
		t.Errorf("no home: got %v", err)
	}
}

// TestShowRefused shows a root that is too old, and says so.
func TestShowRefused(t *testing.T) {
	keep(t, someKept("sha256:anchor", 1, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)))
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"trust", "show", "--json"}, nil, &out, &errs); code != exitUntrusted {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	var answer trustShowAnswer
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil || answer.Usable || !strings.Contains(answer.Why, "was good until 2020-01-01") || len(answer.Metadata) != 4 {
		t.Errorf("got %s, %v", out.String(), err)
	}
}
