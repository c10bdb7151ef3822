package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"facerec/internal/verify"
)

// TestAgeOfTheCarriedRoot sees it used, used with a warning, and refused.
func TestAgeOfTheCarriedRoot(t *testing.T) {
	until := time.Date(2026, 6, 22, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		days          int
		warns, refuse bool
	}{{-1, false, false}, {1, true, false}, {364, true, false}, {366, false, true}} {
		var errs bytes.Buffer
		a := &app{errs: &errs, quiet: true}
		err := a.checkAge(verify.Carried{Until: until}, "2026-06-22", until.AddDate(0, 0, c.days))
		var e *verify.Error
		if refused := errors.As(err, &e) && e.Class == verify.Untrusted; refused != c.refuse {
			t.Errorf("%d days: got %v", c.days, err)
		}
		if warned := strings.Contains(errs.String(), "good until 2026-06-22"); warned != c.warns {
			t.Errorf("%d days: got %q", c.days, errs.String())
		}
	}
}
