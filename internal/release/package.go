package release

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"facerec/internal/text"
)

// PackageFormat is a kind of system package.
type PackageFormat string

// The formats.
const (
	Deb PackageFormat = "deb" // Debian's
	RPM PackageFormat = "rpm" // of the RPM package manager
	APK PackageFormat = "apk" // Alpine's, version 2
)

// packageFormats is the one list of them.
var packageFormats = []PackageFormat{Deb, RPM, APK}

// Package is a system package that is made of a cell's tarball tree, in one format.
type Package struct {
	Format      PackageFormat
	Name        string // pattern
	Platforms   []Platform
	Maintainer  string
	Description string // the first line is the summary
	Section     string
	Licence     string
	Homepage    string
	Depends     []string
	Files       []PackageFile
}

// PackageFile puts a file, or what is in a directory, of a tarball into a package.
// Src is below the top directory, "." is all of it; Dest is absolute in the system.
type PackageFile struct {
	Src  string `json:"src"`
	Dest string `json:"dest"`
}

// PackagesOf are the packages of a cell.
func (c *Config) PackagesOf(cell Cell) []Package {
	return slices.DeleteFunc(slices.Clone(c.Packages), func(p Package) bool { return !slices.Contains(p.Platforms, cell.Platform) })
}

// Record is what release.json says of a package before it is made.
func (p Package) Record(v Version, cell Cell) (RecordPackage, error) {
	r := RecordPackage{
		Format: p.Format, Recipe: PackageRecipe(p.Format), Name: expand(p.Name, v, cell),
		Maintainer: p.Maintainer, Description: p.Description, Section: p.Section, Licence: p.Licence, Homepage: p.Homepage,
		Depends: p.Depends,
	}
	for _, f := range p.Files {
		r.Files = append(r.Files, PackageFile{Src: expand(f.Src, v, cell), Dest: expand(f.Dest, v, cell)})
	}
	version, err := PackageVersion(p.Format, v)
	if err != nil {
		return r, err
	}
	arch, err := PackageArch(p.Format, cell.Platform)
	if err != nil {
		return r, err
	}
	// A version is spelled as the release spells it: pages change "~" in file names.
	r.Asset = fmt.Sprintf("%s_%s_%s.%s", r.Name, v, arch, p.Format)
	if p.Format == RPM {
		r.Asset = fmt.Sprintf("%s-%s-%s.%s.rpm", r.Name, v, packageRelease, arch)
	}
	return r, r.checkWords(version)
}

// packageRelease is the release number of every RPM package.
const packageRelease = "1"

// PackageRecipe names how packages of a format are made today.
func PackageRecipe(f PackageFormat) string { return string(f) + "-1" }

// IsPackage reports whether a file is called like a package.
func IsPackage(name string) bool {
	return slices.ContainsFunc(packageFormats, func(f PackageFormat) bool { return strings.HasSuffix(name, "."+string(f)) })
}

// packageArchs are the architectures as each format spells them.
var packageArchs = map[string]map[PackageFormat]string{
	"386":      {Deb: "i386", RPM: "i686", APK: "x86"},
	"amd64":    {Deb: "amd64", RPM: "x86_64", APK: "x86_64"},
	"arm64":    {Deb: "arm64", RPM: "aarch64", APK: "aarch64"},
	"armv5":    {Deb: "armel", RPM: "armv5tel"},
	"armv6":    {Deb: "armel", RPM: "armv6hl", APK: "armhf"},
	"armv7":    {Deb: "armhf", RPM: "armv7hl", APK: "armv7"},
	"loong64":  {Deb: "loong64", RPM: "loongarch64", APK: "loongarch64"},
	"mips64le": {Deb: "mips64el", RPM: "mips64el"},
	"mipsle":   {Deb: "mipsel", RPM: "mipsel"},
	"ppc64le":  {Deb: "ppc64el", RPM: "ppc64le", APK: "ppc64le"},
	"riscv64":  {Deb: "riscv64", RPM: "riscv64", APK: "riscv64"},
	"s390x":    {Deb: "s390x", RPM: "s390x", APK: "s390x"},
}

// PackageArch is a platform's architecture as a format spells it.
func PackageArch(f PackageFormat, p Platform) (string, error) {
	arch, ok := packageArchs[p.AssetArch()][f]
	if !ok || p.OS != "linux" {
		return "", fmt.Errorf("%s packages have no architecture for %s", f, p)
	}
	return arch, nil
}

// apkPrerelease is what Alpine's package manager puts before a release.
var apkPrerelease = text.Pattern(`^(alpha|beta|pre|rc)[.-]?([0-9]*)$`)

// PackageVersion is a version as a format spells it: a pre-release comes before its
// release everywhere. A "-" in it would end the version.
func PackageVersion(f PackageFormat, v Version) (string, error) {
	if !v.Semantic() {
		return "", fmt.Errorf("version %s: packages need a semantic version", v)
	}
	number, pre, found := strings.Cut(string(v), "-")
	switch {
	case !found:
	case f == APK:
		m := apkPrerelease().FindStringSubmatch(pre)
		if m == nil {
			return "", fmt.Errorf("version %s: an apk package's pre-release is alpha, beta, pre or rc and a number, got %q", v, pre)
		}
		number += "_" + m[1] + m[2]
	default:
		number += "~" + strings.ReplaceAll(pre, "-", ".")
	}
	switch f {
	case RPM:
		return number + "-" + packageRelease, nil
	case APK:
		return number + "-r0", nil
	}
	return number, nil
}

// packageName is what all three formats take.
var packageName = text.Pattern(`^[a-z0-9][a-z0-9+.-]{1,99}$`)

// packageDest is an absolute path without anything that a package manager takes apart.
var packageDest = text.Pattern(`^(/[A-Za-z0-9._+@,=-]+)+$`)

// checkWords holds what becomes lines of a package's metadata to their shapes.
func (p RecordPackage) checkWords(version string) error {
	if version == "" || !packageName().MatchString(p.Name) {
		return fmt.Errorf("name: expected lower-case letters, digits, '+', '.' or '-', got %q", p.Name)
	}
	lines := []struct{ field, value string }{
		{"maintainer", p.Maintainer}, {"section", p.Section}, {"licence", p.Licence}, {"homepage", p.Homepage},
	}
	for _, d := range p.Depends {
		if d == "" {
			return fmt.Errorf("depends: expected packages, got an empty name")
		}
		lines = append(lines, struct{ field, value string }{"depends", d})
	}
	for i, line := range strings.Split(p.Description, "\n") {
		lines = append(lines, struct{ field, value string }{"description", line})
		if line == "" && i == 0 {
			return fmt.Errorf("description: is empty; its first line is the summary")
		}
	}
	for _, l := range lines {
		if hasControl(l.value) || strings.TrimSpace(l.value) != l.value || len(l.value) > 1000 {
			return fmt.Errorf("%s: expected text without control characters and blanks around it, got %q", l.field, l.value)
		}
	}
	if p.Maintainer == "" {
		return fmt.Errorf("maintainer: is empty")
	}
	if len(p.Files) == 0 {
		return fmt.Errorf("files: is empty")
	}
	for _, f := range p.Files {
		if !validEntryName(f.Src) || hasControl(f.Src) {
			return fmt.Errorf("files: %q: expected a path below the directory that the tarball has", f.Src)
		}
		if !packageDest().MatchString(f.Dest) || path.Clean(f.Dest) != f.Dest {
			return fmt.Errorf("files: %q: expected a clean absolute path", f.Dest)
		}
	}
	return nil
}

// packages reads the packages of config.json, one for each format.
func (d *decoder) packages(n node, p string) []Package {
	var out []Package
	if !d.few(n, p, maxPackages) {
		return nil
	}
	d.list(n, p, func(n node, p string) {
		var formats []PackageFormat
		var files []struct {
			PackageFile
			only []PackageFormat
		}
		var one Package
		present := d.object(n, p,
			field{"formats", func(n node, p string) { formats = d.formats(n, p) }},
			field{"name", func(n node, p string) { one.Name = d.pattern(n, p, []string{"lineage", "suffix"}) }},
			field{"platforms", func(n node, p string) { one.Platforms = d.platforms(n, p) }},
			field{"maintainer", func(n node, p string) { one.Maintainer, _ = d.text(n, p) }},
			field{"description", func(n node, p string) { one.Description, _ = d.text(n, p) }},
			field{"section", func(n node, p string) { one.Section, _ = d.text(n, p) }},
			field{"licence", func(n node, p string) { one.Licence, _ = d.text(n, p) }},
			field{"homepage", func(n node, p string) { one.Homepage, _ = d.text(n, p) }},
			field{"depends", func(n node, p string) { one.Depends = d.texts(n, p) }},
			field{"files", func(n node, p string) {
				d.list(n, p, func(n node, p string) {
					f := struct {
						PackageFile
						only []PackageFormat
					}{only: packageFormats}
					present := d.object(n, p,
						field{"src", func(n node, p string) { f.Src = d.source(n, p) }},
						field{"dest", func(n node, p string) { f.Dest = d.pattern(n, p, placeholders) }},
						field{"formats", func(n node, p string) { f.only = d.formats(n, p) }})
					d.required(n, p, present, "src", "dest")
					files = append(files, f)
				})
			}})
		d.required(n, p, present, "formats", "description", "files")
		for _, format := range formats {
			pkg := one
			pkg.Format = format
			for _, f := range files {
				if slices.Contains(f.only, format) {
					pkg.Files = append(pkg.Files, f.PackageFile)
				}
			}
			out = append(out, pkg)
		}
	})
	return out
}

// maxPackages bounds the list of packages in config.json.
const maxPackages = 50

func (d *decoder) formats(n node, p string) []PackageFormat {
	var out []PackageFormat
	d.list(n, p, func(n node, p string) {
		s, ok := d.text(n, p)
		switch f := PackageFormat(s); {
		case !ok:
		case !slices.Contains(packageFormats, f):
			d.complain(n.offset, p, "expected \"deb\", \"rpm\" or \"apk\", got %q", s)
		case slices.Contains(out, f):
			d.complain(n.offset, p, "%q is a duplicate", s)
		default:
			out = append(out, f)
		}
	})
	if list, ok := n.value.([]node); ok && len(list) == 0 {
		d.complain(n.offset, p, "must name at least one format")
	}
	return out
}

// fillInPackages gives what packages leave out: a name, a maintainer, and all
// platforms of Linux.
func (c *Config) fillInPackages() {
	for i := range c.Packages {
		p := &c.Packages[i]
		p.Name = cmp.Or(p.Name, strings.ToLower(c.ProjectName)+"{suffix}")
		p.Maintainer = cmp.Or(p.Maintainer, strings.Join(c.Maintainers, ", "))
		if p.Platforms == nil {
			p.Platforms = slices.DeleteFunc(slices.Clone(c.Platforms), func(p Platform) bool { return p.OS != "linux" })
		}
	}
}
