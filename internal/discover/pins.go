package discover

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"facerec/internal/sbom"
	"facerec/internal/text"
)

// maxFile bounds what is read of a file with pins, in bytes.
const maxFile = 16 << 20

// pins are all that a project's files pin.
type pins struct {
	goes      []Pin // "1.26.8"
	modules   []Pin
	images    []base
	packages  []deb
	compilers []Pin
}

// base is an image that another is made from.
type base struct {
	repository, tag, digest string
	in                      string
	err                     error // why it is not known
}

// deb is a package of a Debian suite.
type deb struct {
	name, version, suite, arch string
	source                     bool // name is a source package
	in                         string
}

func (s *search) readPins() error {
	locked := false
	for _, name := range s.Inputs {
		raw, err := s.read(name)
		if err != nil {
			return err
		}
		var l sbom.Locks
		if err := l.Read(name, raw); err != nil {
			return err
		}
		s.readLock(name, l)
		locked = locked || len(l.Modules) > 0
	}
	if err := s.readGoMod("go.mod", locked); err != nil {
		return err
	}
	for _, name := range []string{"Dockerfile", "Containerfile"} {
		raw, err := s.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		s.pins.images = append(s.pins.images, bases(name, string(raw))...)
	}
	return nil
}

func (s *search) read(name string) ([]byte, error) {
	f, err := s.Files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s: expected at most %d bytes", name, maxFile)
	}
	return raw, nil
}

func (s *search) readLock(name string, l sbom.Locks) {
	if v, ok := goVersion(l.Go); ok {
		s.pins.goes = addPin(s.pins.goes, "go", v, name)
	}
	for _, m := range l.Modules {
		s.pins.modules = addPin(s.pins.modules, m.Path, m.Version, name)
	}
	for _, c := range l.Compilers {
		for _, p := range c.Packages {
			s.pins.compilers = addPin(s.pins.compilers, p.Name, p.Version, name)
		}
	}
	for _, p := range l.Pins {
		s.pins.packages = append(s.pins.packages, deb{p.Name, p.Version, p.Suite, p.Arch, p.Kind == "source", name})
	}
}

// addPin adds a file to a pin that is there already.
func addPin(pins []Pin, name, version, in string) []Pin {
	for i, p := range pins {
		if p.Name == name && p.Version == version {
			if !slices.Contains(p.In, in) {
				pins[i].In = append(p.In, in)
			}
			return pins
		}
	}
	return append(pins, Pin{name, version, []string{in}})
}

func (s *search) readGoMod(name string, modulesLocked bool) error {
	raw, err := s.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := modfile.Parse(name, raw, nil)
	if err != nil {
		return fmt.Errorf("%s", text.Line(err.Error(), 500))
	}
	switch {
	case f.Toolchain != nil && f.Toolchain.Name != "default":
		if v, ok := goVersion(f.Toolchain.Name); ok {
			s.pins.goes = addPin(s.pins.goes, "go", v, name)
		}
	case f.Go != nil:
		s.pins.goes = addPin(s.pins.goes, "go", f.Go.Version, name)
	}
	if modulesLocked {
		return nil
	}
	for _, r := range f.Require {
		if r.Indirect || slices.ContainsFunc(f.Replace, func(p *modfile.Replace) bool { return p.Old.Path == r.Mod.Path }) {
			continue
		}
		if err := module.Check(r.Mod.Path, r.Mod.Version); err != nil {
			return fmt.Errorf("%s: %s", name, text.Line(err.Error(), 500))
		}
		s.pins.modules = addPin(s.pins.modules, r.Mod.Path, r.Mod.Version, name)
	}
	return nil
}

// goShape is a Go release, as `go env GOVERSION` and go.mod's toolchain have it.
var goShape = text.Pattern(`^go([0-9]+\.[0-9]+(?:\.[0-9]+)?)(-.*)?$`)

func goVersion(s string) (string, bool) {
	m := goShape().FindStringSubmatch(s)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// bases finds the images that a Dockerfile builds on or copies from. Those named
// by an argument are taken with the argument's default.
func bases(file, dockerfile string) []base {
	args := map[string]string{}
	stages := map[string]bool{"scratch": true}
	began := false
	var out []base
	add := func(name string) {
		name, err := expand(strings.Trim(name, `"'`), args)
		b := base{repository: name, in: file, err: err}
		if err == nil {
			b = parseBase(name)
			b.in = file
		}
		same := func(o base) bool { return o.repository == b.repository && o.tag == b.tag && o.digest == b.digest }
		if !stages[strings.ToLower(name)] && !slices.ContainsFunc(out, same) {
			out = append(out, b)
		}
	}
	for line := range instructions(dockerfile) {
		word, rest, _ := strings.Cut(line, " ")
		fields := strings.Fields(rest)
		switch strings.ToUpper(word) {
		case "ARG": // only those before the first FROM are for FROM
			if name, value, ok := strings.Cut(rest, "="); ok && !began {
				args[name], _ = expand(strings.Trim(value, `"'`), args)
			}
		case "COPY":
			for _, f := range fields {
				if from, ok := strings.CutPrefix(f, "--from="); ok && digits().FindString(from) != from && !strings.Contains(from, "$") {
					add(from)
				}
			}
		case "FROM":
			began = true
			for len(fields) > 0 && strings.HasPrefix(fields[0], "--") {
				fields = fields[1:]
			}
			if len(fields) == 0 {
				continue
			}
			add(fields[0])
			if len(fields) == 3 && strings.EqualFold(fields[1], "AS") {
				stages[strings.ToLower(fields[2])] = true
			}
		}
	}
	return out
}

var heredoc = text.Pattern(`<<-?["']?([A-Za-z_][A-Za-z0-9_]*)["']?`)

// instructions yields a Dockerfile's instructions, continued lines joined and
// here-documents left out.
func instructions(dockerfile string) func(func(string) bool) {
	return func(yield func(string) bool) {
		whole := ""
		var until []string // the words that end here-documents
		for line := range strings.Lines(dockerfile) {
			line = strings.TrimSpace(line)
			if len(until) > 0 {
				if line == until[0] {
					until = until[1:]
				}
				continue
			}
			if line == "" || line[0] == '#' {
				continue
			}
			if more, ok := strings.CutSuffix(line, `\`); ok {
				whole += more + " "
				continue
			}
			whole = strings.Join(strings.Fields(whole+line), " ")
			if word := strings.ToUpper(strings.SplitN(whole, " ", 2)[0]); word == "RUN" || word == "COPY" || word == "ADD" {
				for _, m := range heredoc().FindAllStringSubmatch(whole, -1) {
					until = append(until, m[1])
				}
			}
			if !yield(whole) {
				return
			}
			whole = ""
		}
		if whole != "" {
			yield(strings.Join(strings.Fields(whole), " "))
		}
	}
}

var variableUse = text.Pattern(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$([A-Za-z_][A-Za-z0-9_]*)`)

// expand replaces $NAME, ${NAME} and ${NAME:-DEFAULT}.
func expand(s string, args map[string]string) (string, error) {
	var err error
	out := variableUse().ReplaceAllStringFunc(s, func(use string) string {
		m := variableUse().FindStringSubmatch(use)
		name := m[1] + m[3]
		if v := args[name]; v != "" {
			return v
		}
		if m[2] == "" && err == nil {
			err = fmt.Errorf("argument %s has no default", name)
		}
		return m[2]
	})
	return out, err
}

var (
	repositoryShape = text.Pattern(`^[A-Za-z0-9][A-Za-z0-9._:-]*(/[a-z0-9][a-z0-9._-]*)+$`)
	tagShape        = text.Pattern(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	digestShape     = text.Pattern(`^sha256:[0-9a-f]{64}$`)
)

// parseBase reads an image name as container engines do: without a registry it is
// one of Docker's.
func parseBase(name string) base {
	var b base
	rest := name
	if before, digest, ok := strings.Cut(rest, "@"); ok {
		rest, b.digest = before, digest
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		rest, b.tag = rest[:i], rest[i+1:]
	} else if b.digest == "" {
		b.tag = "latest"
	}
	host, _, ok := strings.Cut(rest, "/")
	switch {
	case !ok:
		rest = "docker.io/library/" + rest
	case !strings.ContainsAny(host, ".:") && host != "localhost":
		rest = "docker.io/" + rest
	}
	b.repository = rest
	if !repositoryShape().MatchString(rest) || b.tag != "" && !tagShape().MatchString(b.tag) || b.digest != "" && !digestShape().MatchString(b.digest) {
		b.err = fmt.Errorf("expected [REGISTRY/]NAME[:TAG][@DIGEST], got %s", text.Quote(name))
	}
	return b
}

func (b base) String() string {
	s := b.tag
	if b.digest != "" {
		s += "@" + b.digest
	}
	return s
}
