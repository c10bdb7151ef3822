//go:build unix

package tarball

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // what SBOMs have
	"crypto/sha256"
	"hash/crc32"
	"io"
	"syscall"
	"testing"

	"facerec/internal/inflate"
)

// BenchmarkLimit measures each step that a byte of a release goes through, alone
// and in memory, in MB of its input per second of CPU: with these figures
// docs/performance.md tells how far the programs are from what their own steps
// cost. Run it with -bench Limit -benchtime 2s; the best of several counts.
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
	for _, name := range []string{what, "elf", "text"} {
		data := all[name]
		if data == nil {
			continue
		}
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
		step("code/"+name, data, func(*testing.B) {
			d := newDeflater(newBitWriter(io.Discard), s)
			for _, c := range chunks {
				d.add(c.toks, c.buf)
			}
			d.flush(true)
		})
	}
	// A whole archive of one content, which is all of these but inflating.
	c := BytesContent(data)
	step("pack/"+what, data, func(b *testing.B) {
		tree := Tree{entries: []Entry{{Name: "x", Type: Regular, Content: c}}}
		if _, err := Pack(context.Background(), []Job{{Name: "x", Tree: tree, Prefix: "p", Recipe: GNUGzip6, Out: io.Discard}}, Options{Workers: 1}); err != nil {
			b.Fatal(err)
		}
	})
}
