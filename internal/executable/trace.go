package executable

import (
	"bytes"
	"debug/elf"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"

	"facerec/internal/text"
)

// What is looked for inside files. A literal that a processor finds at memory
// speed comes first, a pattern then judges the bytes around it.

// Trace is one thing to look for.
type Trace struct {
	Literal string
	Near    func() *regexp.Regexp // must match at the literal; nil: the literal is enough
	Before  func() *regexp.Regexp // must not match what leads up to the literal
	What    string
}

// rootHome is root's home directory, "/root/". It is put together when the program
// runs, so that this package's own patterns are not such paths in the program.
var rootHome = strings.Join([]string{"", "root", ""}, "/")

// buildTraces are paths of the machine that built a program: of its users and
// of its temporary files, and of a Go module cache wherever it lies (a program
// built with -trimpath names modules without it).
//
// A name that goes on to the left ("example.org/pkg/root/x.go") is another
// path. But Go packs the strings of a program without anything between them,
// so the directories that compilers keep in a home count wherever they stand.
// "/tmp" is also a name that programs use: only what lies in a directory of it, or
// is a source file, counts.
var buildTraces = []Trace{
	{Literal: rootHome, Near: text.Pattern(`^` + rootHome + `[A-Za-z0-9._+@~-]+`), Before: nameBefore, What: "a path of the build machine"},
	{Literal: rootHome + "go/", Near: text.Pattern(`^` + rootHome + `go/(src|pkg|bin)/`), What: "a path of the build machine"},
	{Literal: rootHome + ".", Near: text.Pattern(`^` + rootHome + `\.(cache|cargo|rustup|local|ccache|conan2?|m2|npm)/`), What: "a path of the build machine"},
	{Literal: "/home/", Near: text.Pattern(`^/home/[A-Za-z0-9._+@~-]+/`), Before: nameBefore, What: "a path of the build machine"},
	{Literal: "/tmp/", Near: text.Pattern(`^/tmp/[A-Za-z0-9._+@~-]+(/[A-Za-z0-9._+@~-]|\.(go|s|c|cc|cpp|cxx|h|hpp|o|a)\b)`), Before: nameBefore, What: "a path of the build machine"},
	{Literal: "/pkg/mod/", Near: text.Pattern(`^/pkg/mod/[A-Za-z0-9._!-]+[/@]`), What: "a path of a Go module cache"},
}

var nameBefore = text.Pattern(`[A-Za-z0-9._~-]$`)

// Hit is one trace found.
type Hit struct {
	What string
	Text string // what stands there, cut short; "" where it must not be repeated
	At   int64  // offset in the file
}

// How files are read: in pieces that overlap by more than any pattern looks at.
const (
	scanPiece   = 1 << 20
	scanOverlap = 512
	maxHits     = 8 // of one file: enough to find out where they come from
)

// pieces are the buffers of Scan: an image may have very many small programs.
var pieces = sync.Pool{New: func() any { b := make([]byte, 0, scanPiece+2*scanOverlap); return &b }}

// Scan reads a file once and reports the first hits.
func Scan(r io.Reader, traces []Trace) ([]Hit, error) {
	whole := pieces.Get().(*[]byte)
	defer pieces.Put(whole)
	buf := (*whole)[:0]
	var hits []Hit
	base := int64(0) // offset of buf[0]
	from := 0        // where in buf to go on
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return nil, err
		}
		end := len(buf)
		if !last {
			end -= scanOverlap
		}
		for _, t := range traces {
			for _, h := range t.find(buf, from, end, base) {
				if !slices.ContainsFunc(hits, func(o Hit) bool { return o.At == h.At }) {
					hits = append(hits, h)
				}
			}
		}
		if last || len(hits) >= maxHits {
			return hits[:min(len(hits), maxHits)], nil
		}
		keep := end - scanOverlap // what leads up to a literal is looked at too
		base += int64(keep)
		buf = buf[:copy(buf, buf[keep:])]
		from = scanOverlap
	}
}

// find looks for literals that begin in buf[from:end].
func (t Trace) find(buf []byte, from, end int, base int64) []Hit {
	var out []Hit
	for i := from; i < end && len(out) < maxHits; {
		j := bytes.Index(buf[i:min(len(buf), end+len(t.Literal)-1)], []byte(t.Literal))
		if j < 0 {
			break
		}
		i += j
		around := buf[i:min(len(buf), i+scanOverlap)]
		if (t.Near == nil || t.Near().Match(around)) && (t.Before == nil || !t.Before().Match(buf[max(0, i-32):i])) {
			out = append(out, Hit{t.What, printable(around), base + int64(i)})
		}
		i += len(t.Literal)
	}
	return out
}

// printable is the text at the beginning of b, at most 80 characters.
func printable(b []byte) string {
	for i, c := range b {
		if c <= ' ' || c > '~' || i == 80 {
			return string(b[:i])
		}
	}
	return string(b)
}

// FindPaths looks into a program for the known traces of a build machine,
// and for more directories of it that the caller knows.
func FindPaths(r io.Reader, more []string) ([]Hit, error) {
	traces := buildTraces
	for _, m := range more {
		traces = append(traces[:len(traces):len(traces)], Trace{Literal: strings.TrimRight(m, "/") + "/", What: "a path of the build machine"})
	}
	return Scan(r, traces)
}

// maxDebug bounds what is inflated of one program's compressed sections, all
// together.
const maxDebug = 256 << 20

// sectionCost is what opening a section counts, in inflated bytes: very many small
// ones take time too.
const sectionCost = 64 << 10

// FindPathsInCompressed looks into compressed debug information, where a plain
// search sees nothing. A section table that is malformed hides nothing that
// runs, so it is skipped.
func FindPathsInCompressed(r io.ReaderAt, paths []string) (out []Hit, err error) {
	defer func() {
		if recover() != nil { // debug/elf does not promise to survive any input
			out, err = nil, nil
		}
	}()
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, nil // see above
	}
	left := int64(maxDebug)
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_COMPRESSED == 0 {
			continue
		}
		if left <= 0 {
			break
		}
		limited := &io.LimitedReader{R: s.Open(), N: left}
		hits, err := FindPaths(limited, paths)
		left = limited.N - sectionCost
		if err != nil {
			continue
		}
		for _, h := range hits {
			h.What += " in the compressed section " + s.Name
			out = append(out, h)
		}
	}
	return out, nil
}
