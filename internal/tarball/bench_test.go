//go:build unix

package tarball

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// cpuTime is what this process, or its finished children, have used of a CPU.
func cpuTime(b *testing.B, who int) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func perSecond(b *testing.B, n int, cpu time.Duration) {
	b.ReportMetric(float64(n)*float64(b.N)/1e6/cpu.Seconds(), "MB/cpu-s")
}

// benchData is one content of each sort that releases are made of.
func benchData(b *testing.B, n int) map[string][]byte {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	data := map[string][]byte{}
	for _, k := range kinds {
		switch k.name {
		case "floats", "text", "random":
			data[k.name] = k.make(r, n)
		}
	}
	// A program of some megabytes: this one.
	exe, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		data["elf"] = exe
	}
	// Real weights, where "make models" has been run.
	if m, err := os.ReadFile("../../models/dlib_face_recognition_resnet_model_v1.dat"); err == nil {
		data["model"] = m[:min(n, len(m))]
	}
	return data
}

// BenchmarkGzip compares one content's compression with GNU gzip's, in CPU
// time: run it with -bench Gzip.
func BenchmarkGzip(b *testing.B) {
	for _, name := range []string{"model", "floats", "elf", "text", "random"} {
		data, ok := benchData(b, 16<<20)[name]
		if !ok {
			continue
		}
		c := BytesContent(data)
		b.Run(name+"/ours", func(b *testing.B) {
			start := cpuTime(b, syscall.RUSAGE_SELF)
			defer func() { perSecond(b, len(data), cpuTime(b, syscall.RUSAGE_SELF)-start) }()
			for b.Loop() {
				if err := compress(io.Discard, c, Options{Workers: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/gnu", func(b *testing.B) {
			if _, err := exec.LookPath("gzip"); err != nil {
				b.Skip("needs gzip to compare with")
			}
			file := filepath.Join(b.TempDir(), "data")
			if err := os.WriteFile(file, data, 0o600); err != nil {
				b.Fatal(err)
			}
			start := cpuTime(b, syscall.RUSAGE_CHILDREN)
			defer func() { perSecond(b, len(data), cpuTime(b, syscall.RUSAGE_CHILDREN)-start) }()
			for b.Loop() {
				if err := exec.Command("gzip", "-nk", "-c", file).Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSixCells makes six archives as a release has them, two lineages of
// three platforms, and reports CPU and wall time beside tar and gzip.
func BenchmarkSixCells(b *testing.B) {
	r := rand.New(rand.NewPCG(2, 2))
	floats := kinds[8]
	if floats.name != "floats" {
		b.Fatal("kinds have moved")
	}
	elf := benchData(b, 1)["elf"]
	var jobs []Job
	for lineage := range 2 {
		weights := BytesContent(floats.make(r, 40<<20))
		for cell := range 3 {
			exe := append([]byte(nil), elf...)
			for range 1000 {
				exe[r.IntN(len(exe))] = byte(r.Uint32())
			}
			entries := []Entry{{Name: "facerec", Type: Regular, Mode: 0o755, Content: BytesContent(exe)}, {Name: "model.dat", Type: Regular, Mode: 0o644, Content: weights}}
			for i := range 300 {
				entries = append(entries, file(fmt.Sprintf("p%d", i), 0o644, words[i%len(words)]))
			}
			tree, err := NewTree(entries)
			if err != nil {
				b.Fatal(err)
			}
			jobs = append(jobs, Job{Name: fmt.Sprint(lineage, cell), Tree: tree, Prefix: fmt.Sprintf("facerec-1.0-%d", lineage), Recipe: GNUGzip6})
		}
	}
	b.ResetTimer()
	start := cpuTime(b, syscall.RUSAGE_SELF)
	var total int64
	for b.Loop() {
		res, err := Pack(context.Background(), jobs, Options{})
		if err != nil {
			b.Fatal(err)
		}
		for _, x := range res {
			total += x.TarSize
		}
	}
	cpu := cpuTime(b, syscall.RUSAGE_SELF) - start
	b.ReportMetric(float64(cpu.Seconds())/float64(b.N), "cpu-s/op")
	b.ReportMetric(float64(total)/1e6/cpu.Seconds(), "MB/cpu-s")
}

// BenchmarkParse is the parse of one chunk alone.
func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"model", "floats", "elf", "text", "random"} {
		data, ok := benchData(b, 4<<20)[name]
		if !ok {
			continue
		}
		b.Run(name, func(b *testing.B) {
			var c chunk
			s := contentStream(BytesContent(data))
			at := newSpan(1<<20, 1<<20+256<<10, int64(len(data)))
			if err := c.load(s, at); err != nil {
				b.Fatal(err)
			}
			m := new(worker)
			start := cpuTime(b, syscall.RUSAGE_SELF)
			for b.Loop() {
				c.toks = c.toks[:0]
				c.parse(m)
			}
			perSecond(b, 256<<10, cpuTime(b, syscall.RUSAGE_SELF)-start)
		})
	}
}

// BenchmarkCompareFast inflates and compares one archive of weights.
func BenchmarkCompareFast(b *testing.B) {
	tree := mustTree(b, Entry{Name: "w", Type: Regular, Mode: 0o644, Content: BytesContent(benchData(b, 16<<20)["floats"])})
	have := packed(b, tree, "top")
	size := len(tarOf(b, tree, "top"))
	start := cpuTime(b, syscall.RUSAGE_SELF)
	for b.Loop() {
		v, err := CompareFast(context.Background(), []CompareJob{compareJob(tree, have)}, Options{}, DefaultLimits())
		if err != nil || v[0].Grade != SameTar {
			b.Fatal(err, v)
		}
	}
	perSecond(b, size, cpuTime(b, syscall.RUSAGE_SELF)-start)
}
