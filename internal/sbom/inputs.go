package sbom

import "strings"

// inputs adds what the lock files pin for the cell.
func (b *builder) inputs() {
	for _, p := range b.Locks.forCell(b.Cell, b.Config.Lineages) {
		b.pin(p)
	}
	for _, m := range b.Locks.Modules {
		b.relate(idRelease, "DEPENDS_ON", b.add(goPackage(m.Path, m.Version, m.Sum, "")))
	}
	if v, ok := strings.CutPrefix(b.Locks.Go, "go"); ok {
		b.relate(b.add(spdxPackage{
			SPDXID: id("Tool", "go", v), Name: "go", Version: v, Purpose: "APPLICATION", Refs: []externalRef{purl("generic", []string{"go"}, v)},
		}), "BUILD_TOOL_OF", idRelease)
	}
	for _, c := range b.Locks.Compilers {
		// A document must not depend on the machine that makes it.
		if c.Platform != b.Cell.Platform.String() || c.Host != "" {
			continue
		}
		for _, p := range c.Packages {
			b.compiler(p.Name, p.Version)
		}
	}
	for _, m := range b.Locks.Models {
		p := spdxPackage{
			SPDXID: id("Model", m.Name, m.SHA256.Hex()), Name: m.Name, FileName: m.Name, Purpose: "FILE",
			Checksums: []spdxChecksum{{"SHA256", m.SHA256.Hex()}}, Concluded: m.Licence, Declared: m.Licence,
		}
		if m.Author != "" {
			p.Supplier = "Person: " + m.Author
		}
		held := false
		for _, f := range b.files {
			if _, digest := b.Sums.at(int(f.sum)); digest == m.SHA256.Digest {
				b.relate(b.fileID(f), "COPY_OF", b.add(p))
				held = true
			}
		}
		if !held { // the program fetches it when it is wanted
			b.relate(b.add(p), "RUNTIME_DEPENDENCY_OF", idRelease)
		}
	}
}

// pin adds a file of a distribution. Those of a lineage are linked in; others,
// such as samples and models, are what files of the release come from.
func (b *builder) pin(p LockedPin) {
	q := []string{"arch", p.Arch, "distro", p.Suite}
	if p.Kind == "source" {
		q[1] = "source"
	}
	kind := "DEPENDS_ON"
	purpose := "LIBRARY"
	if p.Use != b.Cell.Lineage.Name {
		kind, purpose = "GENERATED_FROM", "SOURCE"
	}
	one := b.add(spdxPackage{
		SPDXID: id("Input", p.Use, p.Name, p.Version, p.Arch), Name: p.Name, Version: p.Version, FileName: p.File, Purpose: purpose,
		Supplier: "Organization: Debian", Checksums: []spdxChecksum{{"SHA256", p.SHA256.Hex()}}, Comment: "pinned for " + p.Use,
		Refs: []externalRef{purl("deb", []string{"debian", p.Name}, p.Version, q...)},
	})
	b.relate(idRelease, kind, one)
}

// compiler adds a package that compiles. Its libraries (of C, of C++, of the
// compiler itself) end up inside a static program; the rest is a tool.
func (b *builder) compiler(name, version string) {
	p := spdxPackage{
		SPDXID: id("Tool", name, version), Name: name, Version: version, Purpose: "APPLICATION", Supplier: "Organization: Debian",
		Refs: []externalRef{purl("deb", []string{"debian", name}, version)},
	}
	if strings.HasPrefix(name, "lib") {
		p.Purpose = "LIBRARY"
		b.relate(idRelease, "DEPENDS_ON", b.add(p))
		return
	}
	b.relate(b.add(p), "BUILD_TOOL_OF", idRelease)
}
