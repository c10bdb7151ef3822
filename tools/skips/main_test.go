package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	passed  = `{"Action":"pass","Package":"m/a","Test":"TestB"}` + "\n" + `{"Action":"pass","Package":"m/a"}` + "\n"
	skipped = `{"Action":"output","Package":"m/a","Test":"TestA","Output":"=== RUN TestA\n"}` + "\n" +
		`{"Action":"output","Package":"m/a","Test":"TestA","Output":"    a_test.go:5: umoci is not installed\n"}` + "\n" +
		`{"Action":"output","Package":"m/a","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}` + "\n" +
		`{"Action":"skip","Package":"m/a","Test":"TestA"}` + "\n"
	broken = `{"Action":"output","Package":"m/a","Test":"TestC","Output":"    a_test.go:9: got 2\n"}` + "\n" +
		`{"Action":"fail","Package":"m/a","Test":"TestC"}` + "\n"
	uncompiled = `{"ImportPath":"m/b","Action":"build-output","Output":"b.go:3: undefined: x\n"}` + "\n" + `{"Action":"fail","Package":"m/b"}` + "\n"
)

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name, list, input string
		code              int
		want              string
	}{
		{"nothing skipped", "", passed, 0, "skipped: 0"},
		{"a skip nobody allows", "", skipped + passed, 3, "NOT ALLOWED m/a TestA: a_test.go:5: umoci is not installed"},
		{"an allowed skip", "m/* TestA umoci is not installed\n", skipped + passed, 0, "allowed     m/a TestA"},
		{"allowed for another reason", "m/a TestA no root\n", skipped + passed, 3, "NOT ALLOWED"},
		{"allowed elsewhere", "m/b TestA umoci\n", skipped + passed, 3, ":1 allows what was not skipped"},
		{"a failure", "m/a TestA umoci\n", skipped + broken + passed, 1, "a_test.go:9: got 2"},
		{"what does not compile", "", uncompiled, 1, "undefined: x"},
		{"nothing at all", "", "", 1, ""},
		{"no JSON", "", "go: no such tool\n", 1, "no such tool"},
		{"a list of another form", "m/a TestA\n", passed, 2, ""},
		{"a pattern that is none", "m/[ TestA reason\n", passed, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{}
			if c.list != "" {
				file := filepath.Join(t.TempDir(), "skips")
				if err := os.WriteFile(file, []byte(c.list), 0o644); err != nil {
					t.Fatal(err)
				}
				args = []string{"--allow", file}
			}
			var out, complaint bytes.Buffer
			if got := run(args, strings.NewReader(c.input), &out, &complaint); got != c.code {
				t.Errorf("exit code: want %d, got %d\n%s%s", c.code, got, &out, &complaint)
			}
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("want %q in:\n%s", c.want, &out)
			}
		})
	}
}

func TestOwnList(t *testing.T) {
	list, err := readList("../../.ci/skips")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 || len(list) > 16 {
		t.Errorf("want a short list, got %d lines", len(list))
	}
}
