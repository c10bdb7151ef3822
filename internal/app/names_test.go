package app

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"image"
	"io/fs"
	"testing"
	"testing/fstest"

	"facerec/internal/app/picture"
)

func TestInertCells(t *testing.T) {
	for name, want := range map[string]string{
		"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0",
		"+1":                 "'+1",
		"-1":                 "'-1",
		"@SUM(A1)":           "'@SUM(A1)",
		"\t=1":               `"\t=1"`,
		"=\x1b":              `"'=\x1b"`,
		"a\nb":               `"a\nb"`,
		"##[error]x":         `"#\x23[error]x"`,
		"::error::x":         `"::error::x"`,
		"＝1":                 "'＝1",
		"-":                  "-", // standard input
		"":                   "",
		"a=1.jpg":            "a=1.jpg",
		"Zoë":                "Zoë",
	} {
		var b bytes.Buffer
		r, err := NewReporter("csv", &b, Header{Matching: true})
		if err != nil {
			t.Fatal(err)
		}
		match := Match{Verdict: Known, Best: Candidate{Person: name, Photo: name}, RunnerUp: Candidate{Person: name}}
		if name == "" {
			match = Match{}
		}
		for _, res := range []*Result{
			{Name: name, Faces: []Face{{Detection: Detection{Box: image.Rect(-3, -3, 5, 5)}, Match: match}}},
			{Name: name, Err: errors.New(name)},
		} {
			if err := r.Picture(res); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != 3 {
			t.Fatalf("%q: %q, %v", name, rows, err)
		}
		for _, got := range []string{rows[1][0], rows[1][7], rows[1][8], rows[1][11], rows[1][12], rows[2][0]} {
			if got != want {
				t.Errorf("%q: cell %q, expected %q", name, got, want)
			}
		}
		if got := rows[2][len(rows[2])-2]; name == "\n=1" && got != "'=1" || name == "a\nb" && got != "a b" {
			t.Errorf("%q: error %q", name, got)
		}
		if rows[1][2] != "-3" {
			t.Errorf("a number became %q", rows[1][2])
		}
	}
}

// JSON gives back every name: as a string, or as its bytes.
func TestNamesInJSON(t *testing.T) {
	for _, name := range []string{"a.jpg", "Zoë", "Zoe\u0308", "caf\xe9.jpg", "\xff", "\ufffd"} {
		for _, format := range []string{"json", "jsonl"} {
			var b bytes.Buffer
			r, err := NewReporter(format, &b, Header{})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(r.Picture(&Result{Name: name}), r.End(Summary{})); err != nil {
				t.Fatal(err)
			}
			type pictureJSON struct {
				File string
				Raw  []byte `json:"file_base64"`
			}
			var doc struct {
				pictureJSON
				Pictures []pictureJSON
			}
			if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
				t.Fatal(err)
			}
			p := doc.pictureJSON
			if format == "json" {
				p = doc.Pictures[0]
			}
			got := p.File
			if p.Raw != nil {
				got = string(p.Raw)
			}
			if got != name {
				t.Errorf("%s: %q came back as %q", format, name, got)
			}
		}
	}
}

// rawNames is a file system with a name that is not UTF-8 in a directory.
type rawNames struct {
	fstest.MapFS
	dir string
}

type rawEntry struct{ fs.DirEntry }

func (rawEntry) Name() string { return "caf\xe9" }

func (r rawNames) ReadDir(name string) ([]fs.DirEntry, error) {
	out, err := r.MapFS.ReadDir(name)
	if name == r.dir && err == nil {
		out = append(out, rawEntry{out[0]})
	}
	return out, err
}

func TestNamesNotUTF8(t *testing.T) {
	for dir, path := range map[string]string{".": "caf\xe9", "Rose": "Rose/caf\xe9"} {
		fsys := rawNames{fstest.MapFS{"Rose/notes.txt": {Data: []byte("Not a picture.")}}, dir}
		res, err := Enroller{Decoder: picture.Decoder{}}.Enroll(t.Context(), fsys)
		if !errors.Is(err, ErrNobody) {
			t.Fatal(err)
		}
		found := false
		for _, p := range res.Photos {
			found = found || p.Path == path && p.Outcome == Stray && p.Reason == notUTF8 && p.Hint != ""
		}
		if !found {
			t.Errorf("%s: %+v", dir, res.Photos)
		}
		var b bytes.Buffer
		if err := res.WriteJSON(&b); err != nil || !bytes.Contains(b.Bytes(), []byte(`"path_base64": "`)) {
			t.Errorf("%v\n%s", err, b.Bytes())
		}
	}
}
