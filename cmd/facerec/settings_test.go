package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseConfig(t *testing.T) {
	got, err := parseConfig([]byte(`{"threshold": 0.60, "json": true, "models": "a b", "jobs": 12}`))
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"threshold": "0.60", "json": "true", "models": "a b", "jobs": "12"} {
		if got[k] != want {
			t.Errorf("%s = %q, want %q", k, got[k], want)
		}
	}
	for text, want := range map[string]string{
		``:                       "line 1: expected an object",
		`[]`:                     "line 1: expected an object",
		`{"a": null}`:            `line 1: "a": expected a string`,
		"{\"a\": 1,\n\"b\": []}": `line 2: "b": expected a string`,
		`{"a": 1} {}`:            "something follows",
		"{\"a\": 1,\n\"a\": 2}":  `line 2: "a" is a duplicate`,
		`{"a": 1`:                "line 1: ",
		`{"a"}`:                  "line 1: ",
	} {
		if _, err := parseConfig([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"threshold": 0.6, "models": "x", "json": true}`))
	f.Add([]byte(`{"a": {}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseConfig(data); err == nil && !json.Valid(data) {
			t.Errorf("%q was taken, and is no JSON", data)
		}
	})
}
