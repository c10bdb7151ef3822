package main

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"jobs", "margin", "max-pixels", "threshold"}
	for word, want := range map[string]string{
		"thresold": "threshold", "max-pixel": "max-pixels", "MARGIN": "", "treshhold": "threshold", "job": "jobs", "": "", "colour": "",
	} {
		if got, ok := nearest(word, names); got != want || ok != (want != "") {
			t.Errorf("nearest(%q) = %q, %t, expected %q", word, got, ok, want)
		}
	}
}
