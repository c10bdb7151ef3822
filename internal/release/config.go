package release

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"facerec/internal/text"
)

// DefaultEpoch is the time, in seconds since 1970, that images and archives
// carry when nothing else is configured.
const DefaultEpoch = 0

// DefaultRecipe names how tarballs are compressed when config.json is silent.
const DefaultRecipe = "gnu-gzip-6"

// Config is config.json as it was written, checked field by field. Its first
// five fields are r10edocker's and keep their meaning.
type Config struct {
	ProjectName string
	BuildCmd    string // run by sh -c in the directory of config.json, once per cell
	Artifacts   []Item // made by BuildCmd
	ExternData  []Item // there before it
	Maintainers []string

	Version   Version // default for --version
	Lineages  []Lineage
	Platforms []Platform
	Runners   []Runner // where CI builds each platform, in the order of Platforms; may be empty
	Image     ImageConfig
	Extract   Extract
	Asset     string // pattern of a tarball's name
	Tags      string // pattern of an image's tag
	Recipe    string
	Identity  Identity
	Epoch     int64    // seconds since 1970
	Inputs    []string // lock files of what a build is made from, for the SBOM
	Strict    []string // rules of check that are strict, see package check
	BuildEnv  []string // environment variables that build_cmd sees besides the safe ones
	Page      string   // where releases are published, see package publish; may be empty
	Rolling   []string // patterns of image tags that move to the newest release
	Packages  []Package

	Versioning Versioning

	// DeclaresPlatforms says that platforms stands in the file, so that it
	// promises what an artifact has to run on.
	DeclaresPlatforms bool
}

// Item is one file or directory that goes into the image: Src below the directory of
// config.json, Dest absolute in the image. A directory's own name is not kept:
// its content becomes Dest. Src may have placeholders.
type Item struct {
	Src, Dest string
	Mode      *uint32 // of files; nil: 0755 where the owner may execute it, else 0644
	Layer     string  // items of one layer name share a layer
	Binary    string  // one of the Binary constants: which programs an artifact may have in it
}

// What the programs among an artifact may be.
const (
	BinaryDefault = ""        // static where the configuration promises a platform, else anything
	BinaryStatic  = "static"  // for the cell's platform, statically linked
	BinaryDynamic = "dynamic" // for the cell's platform
	BinaryAny     = "any"     // for whatever platform
)

// WantedBinary says what the programs in an artifact must be: BinaryStatic,
// BinaryDynamic or BinaryAny.
//
// A configuration that declares platforms, and an entrypoint in any, promise a
// program that runs in the image of its cell, which has no dynamic linker of
// its own: static. What an r10edocker config.json ships may be for any system.
func (c *Config) WantedBinary(it Item) string {
	switch {
	case it.Binary != BinaryDefault:
		return it.Binary
	case c.DeclaresPlatforms, c.startsIn(it.Dest):
		return BinaryStatic
	}
	return BinaryAny
}

// startsIn reports whether the entrypoint is dest or lies below it.
func (c *Config) startsIn(dest string) bool {
	if len(c.Image.Entrypoint) == 0 {
		return false
	}
	program := c.Image.Entrypoint[0]
	if !path.IsAbs(program) {
		program = path.Join("/", c.Image.Workdir, program)
	}
	program = path.Clean(program)
	return program == dest || strings.HasPrefix(program, dest+"/")
}

// Runner is the kind of machine on which CI builds the cells of a platform.
type Runner struct {
	Platform Platform
	Label    string // as the CI calls it
}

// Runner gives the label of the machines that build a platform, "" where the
// configuration does not say.
func (c *Config) Runner(p Platform) string {
	for _, r := range c.Runners {
		if r.Platform == p {
			return r.Label
		}
	}
	return ""
}

// ImageConfig is what the image's configuration says.
type ImageConfig struct {
	Repository string // REGISTRY/NAME, or NAME alone: then the registry comes from --registry
	User       string // numeric UID[:GID]
	Workdir    string
	Entrypoint []string
	Cmd        []string
	Env        []string // KEY=VALUE
	Labels     []Label  // sorted by key
}

// Label is one image label.
type Label struct{ Key, Value string }

// Extract says what of the image becomes the tarball.
type Extract struct {
	Path    string   // absolute in the image
	Prefix  string   // pattern of the top directory
	Include []string // globs below Path; empty: all
	Exclude []string
	Files   []ExtraFile // added next to what came out of the image
}

// ExtraFile is a file of the repository that goes straight into the tarball.
type ExtraFile struct {
	Src, Dest string // Dest below the top directory
	Mode      uint32
}

// Identity is who signs releases: a certificate's issuer and subject
// alternative name. SAN may have placeholders.
type Identity struct{ Issuer, SAN string }

// Parse reads config.json. file only names it in problems. All problems are
// reported at once, as *Problems.
func Parse(file string, data []byte) (*Config, error) {
	d := &decoder{data: data}
	fail := func() (*Config, error) { return nil, &Problems{File: file, List: d.sorted()} }
	root, ok := d.document()
	if !ok {
		return fail()
	}
	c := d.config(root)
	if len(d.problems) > 0 {
		return fail()
	}
	return c, nil
}

func (d *decoder) config(root node) *Config {
	c := &Config{
		Recipe:   DefaultRecipe,
		Epoch:    DefaultEpoch,
		Lineages: []Lineage{{Name: "default"}},
		Extract:  Extract{Path: "/app"},
	}
	c.Platforms = []Platform{{OS: "linux", Arch: "amd64"}}
	dests := map[string]string{}
	var version string
	var versionAt, runnersAt int
	present := d.object(root, "",
		field{"$schema", func(n node, p string) { d.text(n, p) }},
		field{"project_name", func(n node, p string) { c.ProjectName = d.name(n, p) }},
		field{"build_cmd", func(n node, p string) {
			if s, ok := d.text(n, p); ok {
				if strings.TrimSpace(s) == "" {
					d.complain(n.offset, p, "must not be empty")
				}
				c.BuildCmd = s
			}
		}},
		field{"artifacts", func(n node, p string) {
			c.Artifacts = d.items(n, p, "artifacts", dests)
			if l, ok := n.value.([]node); ok && len(l) == 0 {
				d.complain(n.offset, p, "must name at least one artifact")
			}
		}},
		field{"extern_data", func(n node, p string) { c.ExternData = d.items(n, p, "data", dests) }},
		field{"maintainers", func(n node, p string) { c.Maintainers = d.texts(n, p) }},
		field{"version", func(n node, p string) { version, _ = d.text(n, p); versionAt = n.offset }},
		field{"versioning", func(n node, p string) {
			if s, ok := d.text(n, p); ok && s != string(Semver) && s != string(AnyVersion) {
				d.complain(n.offset, p, "expected %q or %q, got %q", Semver, AnyVersion, s)
			} else {
				c.Versioning = Versioning(s)
			}
		}},
		field{"lineages", func(n node, p string) { c.Lineages = d.lineages(n, p) }},
		field{"platforms", func(n node, p string) { c.Platforms, c.DeclaresPlatforms = d.platforms(n, p), true }},
		field{"runners", func(n node, p string) { c.Runners, runnersAt = d.runners(n, p), n.offset }},
		field{"image", func(n node, p string) { c.Image = d.image(n, p) }},
		field{"extract", func(n node, p string) { c.Extract = d.extract(n, p) }},
		field{"asset", func(n node, p string) { c.Asset = d.pattern(n, p, placeholders) }},
		field{"tags", func(n node, p string) { c.Tags = d.pattern(n, p, []string{"version", "tag", "lineage", "suffix"}) }},
		field{"build_env", func(n node, p string) {
			d.list(n, p, func(n node, p string) {
				s, ok := d.text(n, p)
				if ok && !variableShape().MatchString(s) {
					d.complain(n.offset, p, "expected the name of an environment variable, got %q", s)
				}
				c.BuildEnv = append(c.BuildEnv, s)
			})
		}},
		field{"recipe", func(n node, p string) { c.Recipe = d.name(n, p) }},
		field{"identity", func(n node, p string) {
			d.object(n, p,
				field{"issuer", func(n node, p string) { c.Identity.Issuer, _ = d.text(n, p) }},
				field{"san", func(n node, p string) { c.Identity.SAN = d.pattern(n, p, []string{"version", "tag"}) }})
		}},
		field{"epoch", func(n node, p string) {
			num, ok := n.value.(json.Number)
			v, err := strconv.ParseInt(string(num), 10, 64)
			if !ok || err != nil || v < 0 || v > 1<<33 {
				d.complain(n.offset, p, "expected whole seconds since 1970, got %s", kind(n))
			}
			c.Epoch = v
		}},
		field{"strict", func(n node, p string) { c.Strict = d.texts(n, p) }},
		field{"inputs", func(n node, p string) {
			d.list(n, p, func(n node, p string) {
				src := d.source(n, p)
				if strings.ContainsAny(src, "{}") {
					d.complain(n.offset, p, "must not have placeholders, got %q", src)
				}
				c.Inputs = append(c.Inputs, src)
			})
		}},
		field{"page", func(n node, p string) {
			s, ok := d.text(n, p)
			if ok && strings.TrimSpace(s) == "" {
				d.complain(n.offset, p, "must not be empty")
			}
			c.Page = s
		}},
		field{"packages", func(n node, p string) { c.Packages = d.packages(n, p) }},
		field{"rolling_tags", func(n node, p string) {
			d.list(n, p, func(n node, p string) {
				c.Rolling = append(c.Rolling, d.pattern(n, p, []string{"major", "minor", "suffix", "lineage"}))
			})
		}},
	)
	d.required(root, "", present, "project_name", "build_cmd", "artifacts")
	if present["version"] && version != "" {
		v, err := c.ParseVersion(version) // versioning may stand behind it
		if err != nil {
			d.complain(versionAt, "version", "%v", err)
		}
		c.Version = v
	}
	c.fillIn()
	d.checkRunners(runnersAt, c)
	d.checkNames(root, c)
	return c
}

// fillIn gives what an r10edocker config.json does not say.
func (c *Config) fillIn() {
	if c.Image.Repository == "" {
		c.Image.Repository = strings.ToLower(c.ProjectName)
	}
	if c.Image.User == "" {
		c.Image.User = "10001:10001"
	}
	if c.Image.Workdir == "" {
		c.Image.Workdir = c.Extract.Path
	}
	if c.Extract.Prefix == "" {
		c.Extract.Prefix = c.ProjectName + "-{version}{suffix}"
	}
	if c.Tags == "" {
		c.Tags = "{version}{suffix}"
	}
	if c.Versioning == "" {
		c.Versioning = Semver
	}
	if c.Asset == "" {
		c.Asset = c.ProjectName + "_{version}_{os}_{arch}{suffix}.tar.gz"
	}
	c.fillInPackages()
}

// tagShape is a tag of the distribution specification.
var tagShape = text.Pattern(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// variableShape is the name of an environment variable.
var variableShape = text.Pattern(`^[A-Za-z_][A-Za-z0-9_]*$`)

// checkNames refuses patterns that give two cells or two lineages one name.
func (d *decoder) checkNames(root node, c *Config) {
	if len(d.problems) > 0 {
		return
	}
	assets := map[string]Cell{}
	for _, cell := range c.Cells() {
		name := c.AssetName("0.0.0", cell)
		if other, ok := assets[name]; ok {
			d.complain(root.offset, "asset", "%s and %s would both be called %s: use {arch} and {suffix} in the pattern", other, cell, name)
		}
		assets[name] = cell
	}
	for _, cell := range c.Cells() {
		for _, p := range c.PackagesOf(cell) {
			r, err := p.Record("0.0.0", cell)
			if other, ok := assets[r.Asset]; ok && err == nil {
				err = fmt.Errorf("%s and %s would both be called %s: use {suffix} in the name", other, cell, r.Asset)
			}
			if err != nil {
				d.complain(root.offset, "packages", "%s of %s: %v", p.Format, cell, err)
			}
			assets[r.Asset] = cell
		}
	}
	for _, p := range c.Packages {
		for _, platform := range p.Platforms {
			if !slices.Contains(c.Platforms, platform) {
				d.complain(root.offset, "packages", "%s is not among the platforms", platform)
			}
		}
	}
	tags := map[string]Lineage{}
	for _, l := range c.Lineages {
		tag := c.ImageTag("0.0.0", l)
		if other, ok := tags[tag]; ok {
			d.complain(root.offset, "tags", "the lineages %s and %s would both have the tag %s: use {suffix} or {lineage} in the pattern", other.Name, l.Name, tag)
		}
		if !tagShape().MatchString(tag) {
			d.complain(root.offset, "tags", "%q is not a valid image tag: expected letters, digits, '_', '.' and '-'", tag)
		}
		tags[tag] = l
	}
}

var nameShape = text.Pattern(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// name reads a word that becomes part of file names.
func (d *decoder) name(n node, p string) string {
	s, ok := d.text(n, p)
	switch {
	case !ok:
	case s == "":
		d.complain(n.offset, p, "must not be empty")
	case strings.ContainsAny(s, " \t\r\n\v\f"):
		d.complain(n.offset, p, "must not contain blanks, got %q", s)
	case !nameShape().MatchString(s) || len(s) > 100:
		d.complain(n.offset, p, "expected letters, digits, '.', '_' or '-', at most 100, got %q", s)
	}
	return s
}

func (d *decoder) texts(n node, p string) []string {
	var out []string
	d.list(n, p, func(n node, p string) {
		if s, ok := d.text(n, p); ok {
			out = append(out, s)
		}
	})
	return out
}

func (d *decoder) items(n node, p, layer string, dests map[string]string) []Item {
	var out []Item
	d.list(n, p, func(n node, p string) {
		it := Item{Layer: layer}
		present := d.object(n, p,
			field{"src", func(n node, p string) { it.Src = d.source(n, p) }},
			field{"dest", func(n node, p string) {
				it.Dest = d.absolute(n, p)
				if first, taken := dests[it.Dest]; taken && it.Dest != "" {
					d.complain(n.offset, p, "%s is already the dest of %s", it.Dest, first)
				}
				dests[it.Dest] = p
			}},
			field{"mode", func(n node, p string) {
				m := d.mode(n, p)
				it.Mode = &m
			}},
			field{"layer", func(n node, p string) { it.Layer = d.name(n, p) }},
			field{"binary", func(n node, p string) {
				it.Binary, _ = d.text(n, p)
				if layer == "data" {
					d.complain(n.offset, p, "is for artifacts only: extern_data is taken as it is")
				}
				switch it.Binary {
				case BinaryStatic, BinaryDynamic, BinaryAny:
				default:
					d.complain(n.offset, p, "expected \"static\", \"dynamic\" or \"any\", got %q", it.Binary)
				}
			}})
		d.required(n, p, present, "src", "dest")
		out = append(out, it)
	})
	return out
}

func (d *decoder) required(n node, p string, present map[string]bool, keys ...string) {
	if _, ok := n.value.([]member); !ok {
		return
	}
	for _, k := range keys {
		if !present[k] {
			d.complain(n.offset, strings.TrimPrefix(p+"."+k, "."), "is missing")
		}
	}
}

// source reads a path below the directory of config.json.
func (d *decoder) source(n node, p string) string {
	s := d.pattern(n, p, placeholders)
	if s == "" {
		return s
	}
	clean := path.Clean(s)
	switch {
	case path.IsAbs(s):
		d.complain(n.offset, p, "%q is absolute: expected a path below the directory of the configuration", s)
	case clean == ".." || strings.HasPrefix(clean, "../"):
		d.complain(n.offset, p, "%q leads out of the directory of the configuration", s)
	}
	return clean
}

// absolute reads a path in the image.
func (d *decoder) absolute(n node, p string) string {
	s, ok := d.text(n, p)
	if !ok {
		return ""
	}
	switch {
	case strings.TrimSpace(s) == "":
		d.complain(n.offset, p, "must not be empty")
		return ""
	case strings.IndexByte(s, 0) >= 0:
		d.complain(n.offset, p, "must not contain NUL")
	case !path.IsAbs(s):
		d.complain(n.offset, p, "%q is relative: expected an absolute path in the image, such as %q", s, "/"+strings.TrimPrefix(s, "./"))
	case strings.Contains(s+"/", "/../"):
		d.complain(n.offset, p, "%q has '..' in it", s)
	case path.Clean(s) == "/":
		d.complain(n.offset, p, "expected something below /, got %q", s)
	}
	return path.Clean(s)
}

func (d *decoder) mode(n node, p string) uint32 {
	s, ok := d.text(n, p)
	if !ok {
		return 0
	}
	m, err := strconv.ParseUint(s, 8, 32)
	if err != nil || m > 0o7777 {
		d.complain(n.offset, p, "expected an octal mode such as \"0755\", got %q", s)
	}
	return uint32(m)
}

// Lineages and platforms are multiplied with one another.
const (
	maxLineages  = 100
	maxPlatforms = 100
)

// few complains about a list that is too long, and reports whether it is short enough.
func (d *decoder) few(n node, p string, most int) bool {
	list, _ := n.value.([]node)
	if len(list) > most {
		d.complain(n.offset, p, "expected at most %d, got %d", most, len(list))
	}
	return len(list) <= most
}

func (d *decoder) lineages(n node, p string) []Lineage {
	var out []Lineage
	if !d.few(n, p, maxLineages) {
		return nil
	}
	d.list(n, p, func(n node, p string) {
		var l Lineage
		present := d.object(n, p,
			field{"name", func(n node, p string) { l.Name = d.name(n, p) }},
			field{"suffix", func(n node, p string) {
				if s, ok := d.text(n, p); ok && s != "" {
					if !strings.HasPrefix(s, "-") || !nameShape().MatchString(s[1:]) {
						d.complain(n.offset, p, "expected '-' and a word, such as \"-dlib19\", got %q", s)
					}
					l.Suffix = s
				}
			}})
		d.required(n, p, present, "name")
		for _, other := range out {
			if other.Name == l.Name {
				d.complain(n.offset, p, "duplicate lineage %q", l.Name)
			} else if other.Suffix == l.Suffix {
				d.complain(n.offset, p, "%s and %s have the same suffix %q", other.Name, l.Name, l.Suffix)
			}
		}
		out = append(out, l)
	})
	if list, ok := n.value.([]node); ok && len(list) == 0 {
		d.complain(n.offset, p, "must name at least one lineage")
	}
	return out
}

func (d *decoder) platforms(n node, p string) []Platform {
	var out []Platform
	if !d.few(n, p, maxPlatforms) {
		return nil
	}
	d.list(n, p, func(n node, p string) {
		s, ok := d.text(n, p)
		if !ok {
			return
		}
		pl, err := ParsePlatform(s)
		if err == nil {
			err = pl.check()
		}
		if err != nil {
			d.complain(n.offset, p, "%v", err)
			return
		}
		for _, other := range out {
			if other == pl {
				d.complain(n.offset, p, "duplicate platform %s", s)
			}
		}
		out = append(out, pl)
	})
	if list, ok := n.value.([]node); ok && len(list) == 0 {
		d.complain(n.offset, p, "must name at least one platform")
	}
	return out
}

// runnerShape is the label of a CI's machines: a word, without what a shell or a
// workflow's expression would take for something else.
var runnerShape = text.Pattern(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$`)

func (d *decoder) runners(n node, p string) []Runner {
	members, ok := n.value.([]member)
	if !ok {
		d.complain(n.offset, p, "expected an object, got %s", kind(n))
	}
	if len(members) > maxPlatforms {
		d.complain(n.offset, p, "expected at most %d, got %d", maxPlatforms, len(members))
		return nil
	}
	var out []Runner
	for _, m := range members {
		pl, err := ParsePlatform(m.key)
		if err != nil {
			d.complain(m.keyOffset, p, "%v", err)
			continue
		}
		label, ok := d.text(m.value, p+"."+m.key)
		if ok && !runnerShape().MatchString(label) {
			d.complain(m.value.offset, p+"."+m.key, "expected the label of a runner, such as ubuntu-24.04, got %q", label)
		}
		out = append(out, Runner{pl, label})
	}
	return out
}

// checkRunners wants each platform to have one runner, if any has, so that no job of a
// CI is left without, and puts them into the order of the platforms.
func (d *decoder) checkRunners(offset int, c *Config) {
	if len(c.Runners) == 0 {
		return
	}
	given := c.Runners
	c.Runners = nil
	for _, pl := range c.Platforms {
		i := slices.IndexFunc(given, func(r Runner) bool { return r.Platform == pl })
		if i < 0 {
			d.complain(offset, "runners", "%s has none", pl)
			continue
		}
		c.Runners = append(c.Runners, given[i])
	}
	for i, r := range given {
		if !slices.Contains(c.Platforms, r.Platform) {
			d.complain(offset, "runners", "%s is not among the platforms", r.Platform)
		} else if slices.ContainsFunc(given[:i], func(o Runner) bool { return o.Platform == r.Platform }) {
			d.complain(offset, "runners", "duplicate platform %s", r.Platform)
		}
	}
}

var (
	repositoryShape = text.Pattern(`^([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	userShape       = text.Pattern(`^[0-9]+(:[0-9]+)?$`)
)

func (d *decoder) image(n node, p string) ImageConfig {
	var im ImageConfig
	d.object(n, p,
		field{"repository", func(n node, p string) {
			s, ok := d.text(n, p)
			if ok && !repositoryShape().MatchString(s) {
				d.complain(n.offset, p, "expected [REGISTRY/]NAME in lower case, without tag or digest, got %q", s)
			}
			im.Repository = s
		}},
		field{"user", func(n node, p string) {
			s, ok := d.text(n, p)
			if ok && !userShape().MatchString(s) {
				d.complain(n.offset, p, "expected numbers, UID or UID:GID, so that no passwd file is needed, got %q", s)
			}
			im.User = s
		}},
		field{"workdir", func(n node, p string) { im.Workdir = d.absolute(n, p) }},
		field{"entrypoint", func(n node, p string) { im.Entrypoint = d.texts(n, p) }},
		field{"cmd", func(n node, p string) { im.Cmd = d.texts(n, p) }},
		field{"env", func(n node, p string) {
			im.Env = d.texts(n, p)
			for _, e := range im.Env {
				if k, _, ok := strings.Cut(e, "="); !ok || k == "" {
					d.complain(n.offset, p, "expected KEY=VALUE, got %q", e)
				}
			}
		}},
		field{"labels", func(n node, p string) {
			members, ok := n.value.([]member)
			if !ok {
				d.complain(n.offset, p, "expected an object, got %s", kind(n))
			}
			for _, m := range members {
				if m.key == "" {
					d.complain(m.keyOffset, p, "a label must not be empty")
				}
				v := d.pattern(m.value, p+"."+m.key, placeholders)
				im.Labels = append(im.Labels, Label{m.key, v})
			}
			sortLabels(im.Labels)
		}},
	)
	return im
}

func (d *decoder) extract(n node, p string) Extract {
	ex := Extract{Path: "/app"}
	d.object(n, p,
		field{"path", func(n node, p string) { ex.Path = d.absolute(n, p) }},
		field{"prefix", func(n node, p string) {
			ex.Prefix = d.pattern(n, p, placeholders)
			if strings.Contains(ex.Prefix, "/") || ex.Prefix == "." || ex.Prefix == ".." {
				d.complain(n.offset, p, "expected one directory name, got %q", ex.Prefix)
			}
		}},
		field{"include", func(n node, p string) { ex.Include = d.texts(n, p) }},
		field{"exclude", func(n node, p string) { ex.Exclude = d.texts(n, p) }},
		field{"files", func(n node, p string) {
			seen := map[string]bool{}
			d.list(n, p, func(n node, p string) {
				f := ExtraFile{Mode: 0o644}
				present := d.object(n, p,
					field{"src", func(n node, p string) { f.Src = d.source(n, p) }},
					field{"dest", func(n node, p string) {
						f.Dest, _ = d.text(n, p)
						if c := path.Clean(f.Dest); c != f.Dest || path.IsAbs(c) || c == "." || c == ".." || strings.HasPrefix(c, "../") {
							d.complain(n.offset, p, "expected a path below the top directory, got %q", f.Dest)
						}
						if seen[f.Dest] {
							d.complain(n.offset, p, "%q is a duplicate", f.Dest)
						}
						seen[f.Dest] = true
					}},
					field{"mode", func(n node, p string) { f.Mode = d.mode(n, p) }})
				d.required(n, p, present, "src", "dest")
				ex.Files = append(ex.Files, f)
			})
		}})
	return ex
}

// placeholders are the words that patterns may have in braces.
var placeholders = []string{"version", "tag", "lineage", "suffix", "platform", "os", "arch"}

var placeholderShape = text.Pattern(`\{([^{}]*)\}`)

func (d *decoder) pattern(n node, p string, allowed []string) string {
	s, ok := d.text(n, p)
	if !ok {
		return ""
	}
	if strings.TrimSpace(s) == "" {
		d.complain(n.offset, p, "must not be empty")
		return ""
	}
	if strings.IndexByte(s, 0) >= 0 {
		d.complain(n.offset, p, "must not contain NUL")
	}
match:
	for _, m := range placeholderShape().FindAllStringSubmatch(s, -1) {
		for _, a := range allowed {
			if m[1] == a {
				continue match
			}
		}
		d.complain(n.offset, p, "unknown placeholder {%s}: expected one of {%s}", m[1], strings.Join(allowed, "}, {"))
	}
	return s
}

// expand fills a pattern. Parse has checked its placeholders.
func expand(pattern string, v Version, c Cell) string {
	return placeholderShape().ReplaceAllStringFunc(pattern, func(m string) string {
		switch m {
		case "{version}":
			return string(v)
		case "{tag}":
			return v.Tag()
		case "{major}":
			return v.Major()
		case "{minor}":
			return v.Minor()
		case "{lineage}":
			return c.Lineage.Name
		case "{suffix}":
			return c.Lineage.Suffix
		case "{platform}":
			return c.Platform.String()
		case "{os}":
			return c.Platform.OS
		case "{arch}":
			return c.Platform.AssetArch()
		}
		panic(fmt.Sprintf("release: placeholder %s was not checked", m))
	})
}
