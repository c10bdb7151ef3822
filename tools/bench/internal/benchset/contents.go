package benchset

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// weights writes about n bytes of float32: the pinned models unless s.Numbers, then values
// as trained layers have them.
func (s *Stage) weights(dir string, n int, seed uint64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var models []string
	if !s.Numbers {
		var err error
		if models, err = filepath.Glob("models/*.dat"); err != nil {
			return err
		}
	}
	for _, m := range models {
		raw, err := os.ReadFile(m)
		if err != nil {
			return err
		}
		if len(raw) > n {
			continue // a smaller one may fit, and numbers fill the rest
		}
		n -= len(raw)
		if seed > 0 { // another lineage has weights of its own
			raw = append([]byte{byte(seed)}, raw...)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(m)), raw, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "more.dat"), normalFloats(n/4, seed), 0o644)
}

func manyFiles(dir string, n int) error {
	rng := rand.New(rand.NewPCG(7, 7))
	words := strings.Fields("image index manifest layer descriptor digest bundle trusted root identity lineage cell recipe embedding landmark the of and in to is a that for it as with on")
	for i := range n {
		d := filepath.Join(dir, fmt.Sprintf("%03d", i/1000), fmt.Sprintf("%02d", i/50%20))
		if i%50 == 0 {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		var text strings.Builder
		for range 10 + rng.IntN(200) {
			text.WriteString(words[rng.IntN(len(words))] + " ")
		}
		if err := os.WriteFile(filepath.Join(d, fmt.Sprintf("file-%06d.txt", i)), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func normalFloats(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]byte, 0, 4*n)
	for range n {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(rng.NormFloat64()*0.05)))
	}
	return out
}
