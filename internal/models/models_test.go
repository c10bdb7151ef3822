package models

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	modelpins "facerec/models"
)

func TestPinned(t *testing.T) {
	l := Pinned()
	want := map[string]int64{
		"dlib_face_recognition_resnet_model_v1.dat": 22466066,
		"mmod_human_face_detector.dat":              729940,
		"shape_predictor_5_face_landmarks.dat":      9150489,
	}
	if len(l.Models) != len(want) {
		t.Fatalf("%d models, expected %d", len(l.Models), len(want))
	}
	for _, m := range l.Models {
		if m.Size != want[m.Name] || m.Licence != "CC0-1.0" || m.NeededBy == "" {
			t.Errorf("%+v", m)
		}
	}
	if _, ok := l.Find("mmod_human_face_detector.dat"); !ok {
		t.Error("Find does not find the CNN detector")
	}
	if _, ok := l.Find("other"); ok {
		t.Error("Find finds what is not there")
	}
	if _, err := l.FindOrigin("nowhere"); err == nil || !strings.Contains(err.Error(), "debian, dlib.net") {
		t.Errorf("FindOrigin(nowhere) = %v", err)
	}
	if o, err := l.FindOrigin("dlib.net"); err != nil || o.URL == "" {
		t.Errorf("FindOrigin(dlib.net) = %v, %v", o, err)
	}
}

func TestParseRefuses(t *testing.T) {
	sum := strings.Repeat("a", 64)
	model := `{"name":"a.dat","size":3,"sha256":"` + sum + `"}`
	for name, text := range map[string]string{
		"nothing":        "",
		"another schema": `{"schema":"facerec/models/v2","models":[` + model + `]}`,
		"unknown key":    `{"schema":"facerec/models/v1","modles":[],"models":[` + model + `]}`,
		"no models":      `{"schema":"facerec/models/v1","models":[]}`,
		"twice":          `{"schema":"facerec/models/v1","models":[` + model + "," + model + `]}`,
		"upwards":        `{"schema":"facerec/models/v1","models":[{"name":"../a","size":3,"sha256":"` + sum + `"}]}`,
		"hidden":         `{"schema":"facerec/models/v1","models":[{"name":".a","size":3,"sha256":"` + sum + `"}]}`,
		"no size":        `{"schema":"facerec/models/v1","models":[{"name":"a","sha256":"` + sum + `"}]}`,
		"upper case":     `{"schema":"facerec/models/v1","models":[{"name":"a","size":3,"sha256":"` + strings.ToUpper(sum) + `"}]}`,
		"trailing":       `{"schema":"facerec/models/v1","models":[` + model + `]} {}`,
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Parse([]byte(`{"schema":"facerec/models/v1","models":[` + model + `]}`)); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(modelpins.LockJSON)
	f.Add([]byte(`{"schema":"facerec/models/v1","models":[{"name":"a","size":1,"sha256":""}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(b)
		if err != nil {
			return
		}
		for _, m := range l.Models {
			if !fs.ValidPath(m.Name) || strings.Contains(m.Name, "/") || m.Size <= 0 || len(m.SHA256) != 64 {
				t.Errorf("accepted %+v", m)
			}
		}
	})
}

func TestVerify(t *testing.T) {
	pin := func(name, content string) Model {
		h := sha256.Sum256([]byte(content))
		return Model{Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(h[:])}
	}
	l := Lock{Models: []Model{pin("bits", "right"), pin("dir", "x"), pin("gone", "g"), pin("ok", "good"), pin("short", "whole")}}
	fsys := fstest.MapFS{
		"bits":  {Data: []byte("wrong")},
		"dir":   {Mode: fs.ModeDir},
		"ok":    {Data: []byte("good")},
		"short": {Data: []byte("who")},
	}
	r := Verify(fsys, l)
	want := []State{WrongHash, Unread, Missing, OK, WrongSize}
	for i, f := range r.Files {
		if f.State != want[i] {
			t.Errorf("%s: %v, expected %v", f.Model.Name, f.State, want[i])
		}
		if (f.Err() == nil) != (f.State == OK) {
			t.Errorf("%s: state %v but error %v", f.Model.Name, f.State, f.Err())
		}
		if err := f.Err(); err != nil && !strings.Contains(err.Error(), f.Model.Name) {
			t.Errorf("%v does not name %s", err, f.Model.Name)
		}
	}
	if r.OK() {
		t.Error("a bad report is OK")
	}
	if p := r.Problems(); strings.Contains(p, "\n") || strings.Count(p, ";") != 3 {
		t.Errorf("problems: %q", p)
	}
	if f := VerifySize(fsys, l).Files[0]; f.State != OK || f.SHA256 != "" {
		t.Errorf("by size alone: %+v", f)
	}
	if all := Verify(fsys, Lock{Models: l.Models[3:4]}); !all.OK() {
		t.Error(all.Err())
	}
}

// failing is a file system whose files cannot be opened.
type failing struct{ err error }

func (f failing) Open(string) (fs.File, error) { return nil, f.err }

func TestVerifyUnreadable(t *testing.T) {
	l := Lock{Models: []Model{{Name: "m", Size: 1, SHA256: strings.Repeat("0", 64)}}}
	f := Verify(failing{fs.ErrPermission}, l).Files[0]
	if f.State != Unread || !errors.Is(f.Err(), fs.ErrPermission) {
		t.Errorf("%v: %v", f.State, f.Err())
	}
}
