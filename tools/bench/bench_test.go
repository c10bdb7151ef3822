package main

import (
	"errors"
	"flag"
	"strings"
	"testing"
)

// TestEveryBenchmarkParsesItsFlags asks each one for help: nothing is measured.
func TestEveryBenchmarkParsesItsFlags(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"chain", "-h"}, {"archive", "-h"}, {"verify", "-h"}, {"publish", "-h"}, {"facerec", "-h"}, {"memory", "-h"}, {"group", "-h"}} {
		if err := run(t.Context(), args); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("bench %v: %v, expected help", args, err)
		}
	}
	if err := run(t.Context(), []string{"nothing"}); err == nil || !strings.Contains(err.Error(), "expected one of chain, archive, verify, publish, facerec, memory, group, security") {
		t.Errorf("bench nothing: %v", err)
	}
}
