package main

import (
	"fmt"
	"strings"

	"facerec/internal/text"
)

// feature is one set of instructions.
type feature struct {
	name string
	has  bool
}

func missing(fs []feature) []string {
	var out []string
	for _, f := range fs {
		if !f.has {
			out = append(out, f.name)
		}
	}
	return out
}

// checkCPU fails on a processor that would stop the engine with an illegal
// instruction.
func checkCPU(lacks []string) error {
	if len(lacks) == 0 {
		return nil
	}
	return text.WithHint(fmt.Errorf("this processor lacks %s, and this program needs %s", strings.Join(lacks, ", "), baseline), "use a newer machine, or build facerec on this one: see docs/facerec.md")
}
