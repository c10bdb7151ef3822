package executable

import (
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Origin is what a program says of how it was built.
type Origin struct {
	Go       string            // version of the Go toolchain, "" for a program in another language
	Settings map[string]string // of Go's build: flags, environment, versions of modules
	Made     []string          // compilers and linkers that the section .comment names, sorted
	BuildIDs []string          // as in [Program]
	Paths    []string          // of the machine that built it, as [FindPaths] finds them
}

// The most that is read of the section .comment, and taken from it.
const (
	maxComment = 64 << 10
	maxMakers  = 32
)

// ReadOrigin reads what a program of the given size says of how it was built. A
// file that is not a program gives nil. paths are more directories of the machine
// that built it.
func ReadOrigin(r io.ReaderAt, size int64, paths []string) (*Origin, error) {
	p, err := Read(r, size)
	if p == nil || err != nil {
		return nil, err
	}
	o := &Origin{BuildIDs: p.BuildIDs}
	if info := goBuild(r); info != nil {
		o.Go, o.Settings = info.GoVersion, map[string]string{"module " + info.Main.Path: info.Main.Version}
		for _, s := range info.Settings {
			o.Settings[s.Key] = s.Value
		}
		for _, m := range info.Deps {
			v := m.Version + " " + m.Sum
			if m.Replace != nil {
				v = m.Replace.Path + " " + m.Replace.Version + " " + m.Replace.Sum
			}
			o.Settings["module "+m.Path] = strings.TrimSpace(v)
		}
	}
	o.Made = makers(r)
	hits, err := FindPaths(io.NewSectionReader(r, 0, size), paths)
	if err != nil {
		return nil, err
	}
	more, err := FindPathsInCompressed(r, paths)
	if err != nil {
		return nil, err
	}
	for _, h := range append(hits, more...) {
		if !slices.Contains(o.Paths, h.Text) {
			o.Paths = append(o.Paths, h.Text)
		}
	}
	return o, nil
}

// goBuild reads Go's build information, nil if there is none. What is malformed
// says nothing.
func goBuild(r io.ReaderAt) (info *buildinfo.BuildInfo) {
	defer func() {
		if recover() != nil { // the library does not promise to survive any input
			info = nil
		}
	}()
	info, err := buildinfo.Read(r)
	if err != nil {
		return nil
	}
	return info
}

// makers lists what the section .comment names, each once. Nothing rests on
// sections, so a table that cannot be read is skipped.
func makers(r io.ReaderAt) (out []string) {
	defer func() {
		if recover() != nil { // as above
			out = nil
		}
	}()
	f, err := elf.NewFile(r)
	if err != nil {
		return nil
	}
	s := f.Section(".comment")
	if s == nil {
		return nil
	}
	b, _ := io.ReadAll(io.LimitReader(s.Open(), maxComment)) // as far as it can be read
	for _, line := range strings.Split(string(b), "\x00") {
		if line = strings.TrimSpace(strings.ToValidUTF8(line, "\ufffd")); line != "" && !slices.Contains(out, line) && len(out) < maxMakers {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

// Differences says in which of these two builds of a program differ, the most
// telling first. a and b name them.
func Differences(a, b string, x, y Origin) []string {
	var out []string
	add := func(what, p, q string) {
		if p != q {
			out = append(out, fmt.Sprintf("%s: %s %s, %s %s", what, a, orNone(p), b, orNone(q)))
		}
	}
	add("Go version", x.Go, y.Go)
	add("compilers", strings.Join(x.Made, "; "), strings.Join(y.Made, "; "))
	keys := map[string]bool{}
	for _, s := range []map[string]string{x.Settings, y.Settings} {
		for k := range s {
			keys[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		add("build setting "+k, x.Settings[k], y.Settings[k])
	}
	add("paths of the build machine", onlyIn(x.Paths, y.Paths), onlyIn(y.Paths, x.Paths))
	add("build ID", strings.Join(x.BuildIDs, "; "), strings.Join(y.BuildIDs, "; "))
	return out
}

// onlyIn lists what is in one list and not in the other.
func onlyIn(x, y []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(x), func(s string) bool { return slices.Contains(y, s) }), ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
