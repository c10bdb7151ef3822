package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
)

// replacing is an engine that has another file in the place of one when it has
// looked at as many pictures.
type replacing struct {
	apptest.Engine
	after    int64
	from, to string
}

func (e *replacing) Faces(ctx context.Context, p app.Picture) ([]app.Detection, error) {
	found, err := e.Engine.Faces(ctx, p)
	if e.Looked.Load() == e.after {
		if err := os.Rename(e.from, e.to); err != nil {
			return nil, err
		}
	}
	return found, err
}

// A picture that changes between the two times that group reads it is reported:
// no portrait is cut out of another picture.
func TestGroupPictureChanges(t *testing.T) {
	smallLibrary(t)
	e := &replacing{after: 3, from: "persons/Rose/1.png", to: "images/z.png"}
	env := fakeEnvironment()
	var stdout, stderr bytes.Buffer
	env.stdin, env.stdout, env.stderr = strings.NewReader(""), &stdout, &stderr
	env.open = func(app.EngineOptions) (app.Engine, error) { return e, nil }
	code := run([]string{"group", "images", "--jobs", "1", "--cache", "off", "--out", "people", "--report", "all.html"}, env)
	if code != 1 || !strings.Contains(stderr.String(), "facerec: images/z.png: changed while facerec was running\n") || !strings.HasSuffix(stderr.String(), "facerec: 1 picture could not be read again\n") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	if !strings.HasPrefix(stdout.String(), "group 1: seen 2 times → people/group-1\n") {
		t.Errorf("stdout: %s", stdout.String())
	}
	list, err := os.ReadDir("people/group-1")
	if err != nil || len(list) != 1 || list[0].Name() != "unknown-2.jpg" {
		t.Errorf("portraits %v, %v", list, err)
	}
	if page, err := os.ReadFile("all.html"); err != nil || bytes.Count(page, []byte("data:image/jpeg")) != 1 {
		t.Errorf("the sheet: %v", err)
	}
}
