package main

import (
	"errors"
	"flag"
	"strings"
	"testing"
)

// TestEveryBenchmarkParsesItsFlags asks each one for help: nothing is measured.
func TestEveryBenchmarkParsesItsFlags(t *testing.T) {
	calls := [][]string{{"-h"}}
	for _, name := range names() {
		if name != "security" { // it has a test of its own
			calls = append(calls, []string{name, "-h"})
		}
	}
	for _, args := range calls {
		if err := run(t.Context(), args); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("bench %v: %v, expected help", args, err)
		}
	}
	if err := run(t.Context(), []string{"nothing"}); err == nil || !strings.Contains(err.Error(), "expected one of "+strings.Join(names(), ", ")) {
		t.Errorf("bench nothing: %v", err)
	}
}
