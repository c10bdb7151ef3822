package sbom

import (
	"debug/buildinfo"
	"runtime/debug"
	"strings"

	"facerec/internal/tarball"
)

// modules names the Go modules that are linked into a program, as its own build
// information lists them.
func (b *builder) modules(f file, content tarball.Content) {
	info, err := buildinfo.Read(content)
	if err != nil {
		return // not a Go program, or one without build information
	}
	link := func(p spdxPackage) { b.relate(b.fileID(f), "STATIC_LINK", b.add(p)) }
	compiler, _, _ := strings.Cut(info.GoVersion, " ") // experiments follow
	if v, ok := strings.CutPrefix(compiler, "go"); ok {
		link(goPackage("stdlib", v, "", "the standard library, compiled with "+info.GoVersion))
	}
	for _, m := range info.Deps {
		comment := ""
		if m.Replace != nil {
			comment = "replaces " + m.Path + "@" + m.Version
			m = m.Replace
		}
		link(goPackage(m.Path, m.Version, m.Sum, comment))
	}
	b.main(f, &info.Main)
}

// main names the module that the program itself belongs to, if it is not what
// is being released: then the file already stands for it.
func (b *builder) main(f file, m *debug.Module) {
	if m.Path == "" || m.Version == "" || strings.HasPrefix(m.Version, "(") || strings.Contains(m.Version, "+dirty") {
		return
	}
	b.relate(b.fileID(f), "GENERATED_FROM", b.add(goPackage(m.Path, m.Version, m.Sum, "")))
}

func goPackage(module, version, sum, comment string) spdxPackage {
	if sum != "" {
		comment = strings.TrimPrefix(comment+"; go.sum "+sum, "; ")
	}
	return spdxPackage{
		SPDXID: id("Go", module, version), Name: module, Version: version, Purpose: "LIBRARY", Comment: comment,
		Refs: []externalRef{purl("golang", strings.Split(module, "/"), version)},
	}
}
