package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
	"facerec/internal/text/texttest"
)

// lay writes a file, and the directories above it.
func lay(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// painted is a picture with faces.
func painted(t *testing.T, size int, patches ...apptest.Patch) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := app.Encode(&b, "a.png", apptest.Paint(size, 100, patches...)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// call runs the program over the fake engine.
func call(args ...string) (code int, stdout, stderr string) {
	env := fakeEnvironment()
	env.drop = func() error { return nil }
	env.exec = func(args, _ []string) error { return errors.New(strings.Join(args, " ")) }
	var out, errs bytes.Buffer
	env.stdin, env.stdout, env.stderr = strings.NewReader(""), &out, &errs
	code = run(args, env)
	return code, out.String(), errs.String()
}

// TestNamesDoNotAct feeds hostile names of files and persons, and hostile contents
// of what is read besides, through the verbs and formats. No line of what they
// print or write holds a control character, an invisible one, or a workflow
// command of a CI runner, and no name makes a line of its own.
func TestNamesDoNotAct(t *testing.T) {
	for _, actions := range []string{"", "true"} {
		t.Setenv("GITHUB_ACTIONS", actions)
		t.Chdir(t.TempDir())
		red := apptest.Patch{Box: image.Rect(10, 10, 60, 60), Color: paintColors["red"]}
		blue := apptest.Patch{Box: image.Rect(100, 10, 150, 60), Color: paintColors["blue"]}
		lay(t, "models/fake.dat", []byte(fakeModel))
		var list strings.Builder
		for i, n := range texttest.Files {
			red.Color.G = byte(10 * i) // nobody is a duplicate
			lay(t, "persons/"+n+"/"+n+".png", painted(t, 100, red))
			lay(t, "persons/"+n+"/"+n+".txt", []byte("not a picture"))
			lay(t, "persons/"+n+"/broken "+n+".jpg", []byte("\xff\xd8"+n))
			lay(t, "photos/"+n+".png", painted(t, 200+i, red, blue))
			lay(t, "photos/sub "+n+"/"+n+".jpg", []byte("\xff\xd8"+n))
			lay(t, "broken/"+n+".jpg", []byte(n))
			lay(t, "sides/"+n+".png", painted(t, 200+i, red, blue))
			lay(t, "sides/"+n+".png.xmp", []byte(`<x:xmpmeta xmlns:x="adobe:ns:meta/"><`+n+`/></x:xmpmeta>`))
			lay(t, "config/"+n+".json", []byte(`{"`+n+"\x1b"+`": 1}`))
			lay(t, "config/good "+n+".json", fmt.Appendf(nil, `{"margin": 0.07, "persons": "%s", "files-from": "%[1]s"}`, strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(n, "\x1b", `\u001b`), "\a", `\u0007`), "\n", `\n`), "\r", `\r`)))
			lay(t, fmt.Sprintf("config/key%d.json", i), fmt.Appendf(nil, `{%q: %q}`, strings.ToValidUTF8(n, ""), n))
			lay(t, fmt.Sprintf("config/value%d.json", i), fmt.Appendf(nil, `{"threshold": "%s", "format": "%s"}`, strings.ReplaceAll(n, "\n", `\n`), `\u001b[31m\n::error::x`))
			fmt.Fprintf(&list, "photos/%s.png\x00%s\x00", n, n)
			if err := os.Symlink("/nowhere", "photos/link "+n+".png"); err != nil {
				t.Fatal(err)
			}
		}
		lay(t, "list", []byte(list.String()))
		lay(t, "lines", []byte(strings.ReplaceAll(list.String(), "\x00", "\n")))
		type one struct {
			args []string
			want []int
		}
		var calls []one
		add := func(args string, want ...int) { calls = append(calls, one{strings.Fields(args), want}) }
		for _, format := range []string{"text", "json", "jsonl", "csv"} {
			add("recognize photos broken --cache off --format "+format, 1)
			add("detect photos broken --cache off --format "+format, 1)
			add("recognize --files-from list -0 --cache off --format "+format, 1)
			add("recognize --files-from lines --cache off --format "+format, 1)
		}
		for _, format := range []string{"text", "json"} {
			add("enroll --cache off --format "+format, 0, 1)
			add("group photos --cache off --min-faces 1 --format "+format, 1)
			add("calibrate --cache off --format "+format, 0, 1)
			add("doctor --format "+format, 0, 1, 5)
			add("cache --cache kept --format "+format, 0, 2)
		}
		add("recognize sides --xmp --cache off", 1)
		add("recognize photos --cache off --report album.html --crops crops --out drawn", 1)
		add("group photos --cache off --report groups.html --out people --min-faces 1", 1)
		for i, n := range texttest.Files {
			calls = append(calls,
				one{[]string{"compare", "photos/" + n + ".png", "persons/" + n + "/" + n + ".png", "--cache", "off"}, []int{0}},
				one{[]string{"compare", "photos/" + n + ".png", n, "--cache", "off"}, []int{1}},
				one{[]string{"recognize", n, n + "*", "photos/" + n + ".png", "--cache", "off"}, []int{1, 2}},
				one{[]string{"recognize", "photos/" + n + ".png", "--out", "photos/" + n + ".png", "--cache", "off"}, []int{2}},
				one{[]string{"recognize", "photos/" + n + ".png", "--font", n, "--out", "x.png", "--cache", "off"}, []int{1, 2}},
				one{[]string{"recognize", "--files-from", n, "--cache", "off"}, []int{2}},
				one{[]string{"recognize", "--exclude", "[" + n, "--cache", "off"}, []int{1, 2}},
				one{[]string{"recognize", "--since", n, "--cache", "off"}, []int{2}},
				one{[]string{"recognize", "--persons", n, "--cache", "off"}, []int{1, 2}},
				one{[]string{"recognize", "--cache", "off", "--models", n}, []int{5}},
				one{[]string{"recognize", "--cache", "off", "--models-cache", n}, []int{5}},
				one{[]string{"recognize", "--config", n}, []int{2}},
				one{[]string{"recognize", "--config", "config/" + n + ".json"}, []int{2}},
				one{[]string{"recognize", "--config", fmt.Sprintf("config/key%d.json", i)}, []int{2}},
				one{[]string{"recognize", "--config", fmt.Sprintf("config/value%d.json", i)}, []int{2}},
				one{[]string{"recognize", "--config", fmt.Sprintf("config/value%d.json", i), "--help"}, []int{0}},
				one{[]string{"recognize", "--config", "config/good " + n + ".json", "--help"}, []int{0}},
				one{[]string{"recognize", "--format", n}, []int{2}},
				one{[]string{"recognize", "--threshold", n}, []int{2}},
				one{[]string{"recognize", "--detector", n}, []int{2}},
				one{[]string{"recognize", "--memory", n}, []int{2}},
				one{[]string{"recognize", "--" + n}, []int{2}},
				one{[]string{"models", n}, []int{1, 2}},
				one{[]string{"doctor", "--release", n}, []int{1}},
				one{[]string{n}, []int{1, 2}},
			)
		}
		for _, c := range calls {
			code, out, errs := call(c.args...)
			expected := false
			for _, w := range c.want {
				expected = expected || code == w
			}
			if !expected {
				t.Errorf("%q: expected exit code %d, got %d: %.600s", c.args, c.want, code, errs)
			}
			format := c.args[len(c.args)-1]
			if format == "csv" {
				rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
				if err != nil || len(rows) < 2 {
					t.Errorf("%q: %d rows, %v", c.args, len(rows), err)
				}
				if got := strings.Count(out, "\n"); got != len(rows) {
					t.Errorf("%q: %d records on %d lines", c.args, len(rows), got)
				}
			}
			quiet(t, fmt.Sprintf("%q", c.args), out)
			quiet(t, fmt.Sprintf("%q", c.args), errs)
			for line := range strings.Lines(errs) {
				if !strings.HasPrefix(line, "facerec: ") && !strings.HasPrefix(line, "hint: ") && strings.TrimSpace(line) != "" {
					t.Errorf("%q prints a line of its own: %q", c.args, line)
				}
			}
		}
		pages := 0
		for _, pattern := range []string{"*.html", "people/*.html"} {
			names, err := filepath.Glob(pattern)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				pages++
				quiet(t, name, string(data))
			}
		}
		if pages < 2 {
			t.Errorf("%d pages", pages)
		}
	}
}

// quiet wants every line of a stream to be only read.
func quiet(t *testing.T, what, stream string) {
	t.Helper()
	for line := range strings.Lines(stream) {
		if why := texttest.Acts(strings.TrimSuffix(line, "\n")); why != "" {
			t.Errorf("%s prints %.300q: %s", what, line, why)
		}
	}
}
