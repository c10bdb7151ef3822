//go:build unix

package tarball

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // what SBOMs have
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"facerec/internal/inflate"
	"facerec/internal/sums"
)

// BenchmarkLimit measures each step that a byte of a release goes through, alone
// and in memory, in MB of its input per second of CPU: with these figures
// docs/performance.md tells how far the programs are from what their own steps
// cost. Run it with GOEXPERIMENT=simd, as releases are built, and -bench Limit -benchtime
// 2s; the best of several counts.
func BenchmarkLimit(b *testing.B) {
	all := benchData(b, 16<<20)
	data, what := all["model"], "model"
	if data == nil {
		data, what = all["floats"], "floats"
	}
	step := func(name string, data []byte, run func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			n := 0
			start := cpuTime(b, syscall.RUSAGE_SELF)
			for b.Loop() {
				run(b)
				n++
			}
			b.ReportMetric(float64(n)*float64(len(data))/1e6/(cpuTime(b, syscall.RUSAGE_SELF)-start).Seconds(), "MB/cpu-s")
		})
	}
	into := make([]byte, len(data))
	step("copy", data, func(*testing.B) { copy(into, data) })
	step("crc32", data, func(*testing.B) { crc32.ChecksumIEEE(data) })
	step("sha1", data, func(*testing.B) { sha1.Sum(data) }) //nolint:gosec // what SBOMs have
	step("sha256", data, func(*testing.B) { sha256.Sum256(data) })
	half := len(data) / 2
	step("sha256, two sums in turn", data, func(*testing.B) { sums.WriteBoth(sha256.New(), data[:half], sha256.New(), data[half:]) })
	inflated := func(b *testing.B, file []byte, expected io.Reader) {
		z, err := inflate.NewReader(bufio.NewReaderSize(bytes.NewReader(file), 128<<10))
		if err == nil && expected != nil {
			z.Expect(expected)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, z)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, name := range []string{what, "elf"} {
		if data := all[name]; data != nil {
			file := ours(b, data, Options{Workers: 1})
			step("inflate/"+name, data, func(b *testing.B) { inflated(b, file, nil) })
			step("inflate/guided/"+name, data, func(b *testing.B) { inflated(b, file, bytes.NewReader(data)) })
		}
	}
	steps := func(name string, data []byte) {
		s := contentStream(BytesContent(data))
		var chunks []*chunk
		m := new(worker)
		parseAll := func(b *testing.B) {
			chunks = chunks[:0]
			for at := int64(0); at+512<<10+tailLength <= s.size(); at += 512 << 10 {
				c := new(chunk)
				if err := c.load(s, newSpan(at, at+512<<10, s.size())); err != nil {
					b.Fatal(err)
				}
				c.parse(m)
				chunks = append(chunks, c)
			}
		}
		step("parse/"+name, data, parseAll)
		if len(chunks) == 0 { // the step before was not asked for
			parseAll(b)
		}
		step("code/"+name, data, func(*testing.B) {
			d := newDeflater(newBitWriter(io.Discard), s)
			for _, c := range chunks {
				d.add(c.toks, c.buf, nil, 0)
			}
			d.flush(true)
		})
	}
	for _, name := range []string{what, "elf", "text"} {
		if data := all[name]; data != nil {
			steps(name, data)
		}
	}
	// The tar stream of many small files, half of it zeros: its bytes out of a spool and
	// headers, and what a search and coding cost.
	small := manySmall(b, 10_000)
	raw := make([]byte, small.size())
	read := func(b *testing.B) {
		if err := readFull(small, raw, 0); err != nil {
			b.Fatal(err)
		}
	}
	read(b) // the steps may be run without the one that reads
	step("headers and contents/small files", raw, read)
	steps("small files", raw)
	// A whole archive of one content, which is all of these but inflating.
	c := BytesContent(data)
	step("pack/"+what, data, func(b *testing.B) {
		if _, err := Pack(context.Background(), []Job{{Name: "x", Tree: treeOfOne(c), Prefix: "p", Recipe: GNUGzip6, Out: io.Discard}}, Options{Workers: 1}); err != nil {
			b.Fatal(err)
		}
	})
}

// manySmall is the archive of n files of 600 bytes of words each on average, in a spool,
// as tools/bench packs them.
func manySmall(b *testing.B, n int) *tarStream {
	b.Helper()
	spool, err := NewSpool(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = spool.Close() })
	words := strings.Fields("image index manifest layer descriptor digest bundle trusted root identity lineage cell recipe embedding landmark the of and in to is a that for it as with on")
	r := rand.New(rand.NewPCG(7, 7))
	var entries []Entry
	for i := range n {
		d := fmt.Sprintf("%03d/%02d", i/1000, i/50%20)
		if i%1000 == 0 {
			entries = append(entries, Entry{Name: d[:3], Type: Dir, Mode: 0o755})
		}
		if i%50 == 0 {
			entries = append(entries, Entry{Name: d, Type: Dir, Mode: 0o755})
		}
		var text strings.Builder
		for range 10 + r.IntN(200) {
			text.WriteString(words[r.IntN(len(words))] + " ")
		}
		c, err := spool.Add(strings.NewReader(text.String()))
		if err != nil {
			b.Fatal(err)
		}
		entries = append(entries, Entry{Name: fmt.Sprintf("%s/file-%06d.txt", d, i), Type: Regular, Mode: 0o644, Content: c})
	}
	tree, err := NewTree(entries)
	if err != nil {
		b.Fatal(err)
	}
	s, err := newTarStream(tree, "set-1.0.0")
	if err != nil {
		b.Fatal(err)
	}
	return s
}
