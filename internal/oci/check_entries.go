package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io"
	"path"
	"sort"
	"strconv"
	"strings"

	"facerec/internal/release"
	"facerec/internal/tarball"
	plain "facerec/internal/text"
)

// facts are what is known of file contents, which platforms and layers share.
type facts struct {
	paths   []string
	program map[release.Digest]programFacts
	secret  map[release.Digest][]hit
}

type programFacts struct {
	*Program
	err   error
	paths []hit
}

func newFacts(o CheckOptions) *facts {
	return &facts{o.Paths, map[release.Digest]programFacts{}, map[release.Digest][]hit{}}
}

// of reads a content as a program. The error is for content that cannot be
// read; a malformed program is a fact.
func (f *facts) of(c tarball.Content) (programFacts, error) {
	if p, known := f.program[c.Digest()]; known {
		return p, nil
	}
	var p programFacts
	p.Program, p.err = ReadProgram(c, c.Size())
	if p.Program != nil && p.Format == "ELF" {
		var err error
		if p.paths, err = findBuildPaths(io.NewSectionReader(c, 0, c.Size()), f.paths); err != nil {
			return p, err
		}
		more, err := findInCompressed(c, f.paths)
		if err != nil {
			return p, err
		}
		p.paths = append(p.paths, more...)
	}
	f.program[c.Digest()] = p
	return p, nil
}

func (f *facts) secrets(c tarball.Content) ([]hit, error) {
	if h, known := f.secret[c.Digest()]; known {
		return h, nil
	}
	p, err := f.of(c)
	if err != nil {
		return nil, err
	}
	h, err := findSecrets(c, p.Program != nil)
	if err == nil {
		f.secret[c.Digest()] = h
	}
	return h, err
}

// maxDebug bounds what is inflated of one compressed section.
const maxDebug = 256 << 20

// findInCompressed looks into compressed debug information, where a plain
// search sees nothing. A section table that is malformed hides nothing that
// runs, so it is passed over.
func findInCompressed(c tarball.Content, paths []string) (out []hit, err error) {
	defer func() {
		if recover() != nil { // debug/elf does not promise to survive any input
			out, err = nil, nil
		}
	}()
	f, err := elf.NewFile(c)
	if err != nil {
		return nil, nil // see above
	}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_COMPRESSED == 0 {
			continue
		}
		hits, err := findBuildPaths(io.LimitReader(s.Open(), maxDebug), paths)
		if err != nil {
			continue
		}
		for _, h := range hits {
			h.what += " in the compressed section " + s.Name
			out = append(out, h)
		}
	}
	return out, nil
}

// inspection looks at the files of one platform's image.
type inspection struct {
	CheckOptions
	facts  *facts
	image  *Image
	view   *filesystem    // what a container sees
	layers [][]layerEntry // what was shipped
	stored int64          // bytes of the layers

	findings map[string][]Finding
	named    map[layerName]bool // secrets by name that have been reported
	files    int64              // regular files of the view
	bytes    int64
	programs int
}

type layerName struct {
	layer int
	name  string
}

func (c *inspection) add(check, name, format string, args ...any) {
	c.findings[check] = append(c.findings[check], Finding{name, fmt.Sprintf(format, args...)})
}

func (c *inspection) run(ctx context.Context) ([]CheckResult, error) {
	c.findings, c.named = map[string][]Finding{}, map[layerName]bool{}
	c.mode("/", c.view.root)
	seen := map[*inode]bool{}
	err := c.view.each(func(name string, d *dirent) error {
		c.mode(name, d)
		if d.kind != tar.TypeReg || seen[d.inode] {
			return nil
		}
		seen[d.inode] = true
		c.files++
		c.bytes += d.size
		if err := ctx.Err(); err != nil {
			return err
		}
		return c.program(name, d)
	})
	if err == nil {
		err = c.shipped(ctx)
	}
	if err != nil {
		return nil, err
	}
	more, err := secretsInConfig(c.image.RawConf, c.image.Config.Config.Env)
	if err != nil {
		return nil, err
	}
	c.findings[checkSecrets] = append(c.findings[checkSecrets], more...)
	if c.MaxImage > 0 && c.stored > c.MaxImage {
		c.add(checkSize, "layers", "%d bytes as stored: at most %d are allowed", c.stored, c.MaxImage)
	}
	if c.MaxFiles > 0 && c.bytes > c.MaxFiles {
		c.add(checkSize, "files", "%d bytes as unpacked: at most %d are allowed", c.bytes, c.MaxFiles)
	}
	out := []CheckResult{c.entrypoint()}
	if c.Config != nil {
		out = append(out, c.contents())
	}
	programs := fmt.Sprintf("%d programs", c.programs)
	if c.programs == 1 {
		programs = "1 program"
	}
	for _, fine := range []struct{ check, text string }{
		{checkSetID, fmt.Sprintf("none among %d files", c.files)},
		{checkWritable, fmt.Sprintf("none among %d files", c.files)},
		{checkOwners, "numbers only"},
		{checkDevices, "none"},
		{checkMachine, programs + " for " + c.image.Platform},
		{checkStatic, programs},
		{checkBuildID, "none in " + programs},
		{checkPaths, "none in " + programs},
		{checkSecrets, fmt.Sprintf("none in %d layers", len(c.layers))},
		{checkSize, fmt.Sprintf("%d bytes stored, %d unpacked", c.stored, c.bytes)},
	} {
		if fine.check == checkMachine && c.programs > 0 && !knownArch(c.image.Config.Architecture) {
			out = append(out, skipped(checkMachine, "what programs for "+c.image.Platform+" look like is not known"))
			continue
		}
		out = append(out, c.result(fine.check, c.findings[fine.check], fine.text))
	}
	return out, nil
}

// each visits every name in order, the root left out.
func (fs *filesystem) each(visit func(name string, d *dirent) error) error {
	var walk func(name string, d *dirent) error
	walk = func(name string, d *dirent) error {
		if name != "/" {
			if err := visit(name, d); err != nil {
				return err
			}
		}
		names := make([]string, 0, len(d.children))
		for n := range d.children {
			names = append(names, n)
		}
		sort.Strings(names)
		for _, n := range names {
			if err := walk(path.Join(name, n), d.children[n]); err != nil {
				return err
			}
		}
		return nil
	}
	return walk("/", fs.root)
}

func (c *inspection) mode(name string, d *dirent) {
	switch d.kind {
	case tar.TypeSymlink:
		return
	case tar.TypeChar, tar.TypeBlock:
		c.add(checkDevices, name, "is a device")
	case tar.TypeFifo:
		c.add(checkDevices, name, "is a named pipe")
	}
	if d.mode&0o6000 != 0 {
		c.add(checkSetID, name, "mode %04o", d.mode)
	}
	if d.mode&0o002 != 0 && !(d.kind == tar.TypeDir && d.mode&0o1000 != 0) {
		c.add(checkWritable, name, "mode %04o", d.mode)
	}
}

func (c *inspection) program(name string, d *dirent) error {
	p, err := c.facts.of(d.content)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if malformed := p.err; malformed != nil {
		c.add(checkMachine, name, "%v", malformed)
		return nil // a finding, not a failure
	}
	if p.Program == nil {
		return nil
	}
	c.programs++
	conf := c.image.Config
	if want, got := p.runsOn(conf.OS, conf.Architecture); want != "" {
		c.add(checkMachine, name, "expected %s, got %s", want, got)
	}
	if links := p.linked(); links != "" {
		c.add(checkStatic, name, "dynamically linked: %s", links)
	}
	for _, id := range p.BuildIDs {
		c.add(checkBuildID, name, "%s", id)
	}
	for _, h := range p.paths {
		c.add(checkPaths, name, "%s at offset %d: %q", h.what, h.at, h.text)
	}
	return nil
}

// shipped looks at every entry of every layer: what an upper layer deletes can
// still be taken out of the lower one.
func (c *inspection) shipped(ctx context.Context) error {
	for i, entries := range c.layers {
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := c.entry(i, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *inspection) entry(layer int, e layerEntry) error {
	name := "/" + e.name
	if strings.HasPrefix(path.Base(name), whiteoutPrefix) {
		return nil
	}
	for _, o := range []struct {
		what, name string
		number     int
	}{{"user", e.owner.uname, e.owner.uid}, {"group", e.owner.gname, e.owner.gid}} {
		if o.name != "" && !(o.name == "root" && o.number == 0) {
			c.add(checkOwners, name, "%s %d is also named %q, which may be another elsewhere", o.what, o.number, o.name)
		}
	}
	hidden := ""
	if d, err := c.view.lookupNoFollow(e.name); err == nil && (d == nil || d.layer != layer && d.kind != tar.TypeDir) {
		hidden = fmt.Sprintf(", deleted or replaced later, but still in layer %s", c.image.Layers[layer].Digest)
	}
	for i, b := range []byte(name + "/") { // a folder need not have an entry of its own
		if above := name[:min(i, len(name))]; b == '/' && i > 0 && !c.named[layerName{layer, above}] {
			if what := secretName(above); what != "" {
				c.named[layerName{layer, above}] = true
				c.add(checkSecrets, above, "%s%s", what, hidden)
			}
		}
	}
	if e.kind != tar.TypeReg || e.content == nil {
		return nil
	}
	hits, err := c.facts.secrets(e.content)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, h := range hits {
		c.add(checkSecrets, name, "%s at offset %d%s", h.what, h.at, hidden)
	}
	return nil
}

// contents looks for what config.json puts into the image.
func (c *inspection) contents() CheckResult {
	var out []Finding
	items := append(append([]release.Item(nil), c.Config.ExternData...), c.Config.Artifacts...)
	for _, it := range items {
		d, err := c.view.lookup(it.Dest, 0, false)
		switch {
		case err != nil:
			out = append(out, Finding{it.Dest, err.Error()})
		case d == nil:
			out = append(out, Finding{it.Dest, "config.json promises it, and it is not there"})
		case d.kind == tar.TypeReg && it.Mode != nil && d.mode != *it.Mode:
			out = append(out, Finding{it.Dest, fmt.Sprintf("expected mode %04o, got %04o", *it.Mode, d.mode)})
		}
	}
	return c.result(checkContents, out, fmt.Sprintf("all %d of config.json", len(items)))
}

// defaultPath is where engines look for a program when the image sets no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// entrypoint finds the program that a container starts, as an engine does.
func (c *inspection) entrypoint() CheckResult {
	conf := c.image.Config.Config
	command := append(append([]string(nil), conf.Entrypoint...), conf.Cmd...)
	if len(command) == 0 {
		if c.Config != nil && len(c.Config.Image.Entrypoint)+len(c.Config.Image.Cmd) == 0 {
			return c.result(checkEntrypoint, nil, "none, as config.json has none")
		}
		return c.result(checkEntrypoint, []Finding{{"entrypoint", "the image has neither entrypoint nor cmd: nothing would run"}}, "")
	}
	name, d, why := c.find(command[0], conf.WorkingDir, conf.Env)
	if why == "" {
		why = c.runnable(d, conf.User)
	}
	if why != "" {
		return c.result(checkEntrypoint, []Finding{{name, why}}, "")
	}
	return c.result(checkEntrypoint, nil, fmt.Sprintf("%s, mode %04o", plain.Show(name), d.mode))
}

func (c *inspection) find(program, workdir string, env []string) (string, *dirent, string) {
	if strings.Contains(program, "/") {
		name := program
		if !path.IsAbs(name) {
			name = path.Join("/", workdir, name)
		}
		d, err := c.view.lookup(name, 0, false)
		switch {
		case err != nil:
			return name, nil, err.Error()
		case d == nil:
			return name, nil, "is not in the image"
		case d.kind == tar.TypeDir:
			return name, nil, "is a folder"
		case d.kind != tar.TypeReg:
			return name, nil, "is no regular file"
		}
		return name, d, ""
	}
	dirs := defaultPath
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			dirs = v
		}
	}
	for _, dir := range strings.Split(dirs, ":") {
		name := path.Join("/", dir, program)
		if d, err := c.view.lookup(name, 0, false); err == nil && d != nil && d.kind == tar.TypeReg && d.mode&0o111 != 0 {
			return name, d, ""
		}
	}
	return program, nil, "is in no folder of PATH " + dirs
}

// runnable says why the image's user cannot run a file, or "".
func (c *inspection) runnable(d *dirent, user string) string {
	uid, gid := 0, 0
	u, g, _ := strings.Cut(user, ":")
	if n, err := strconv.Atoi(u); err == nil {
		uid = n
	}
	if n, err := strconv.Atoi(g); err == nil {
		gid = n
	}
	bit := uint32(0o001)
	switch {
	case uid == 0:
		bit = 0o111
	case uid == d.owner.uid:
		bit = 0o100
	case gid == d.owner.gid:
		bit = 0o010
	}
	if d.mode&bit == 0 {
		return fmt.Sprintf("mode %04o, owner %d:%d: user %q may not execute it", d.mode, d.owner.uid, d.owner.gid, user)
	}
	if d.size == 0 {
		return "is empty"
	}
	head := make([]byte, 256)
	n, err := d.content.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err.Error()
	}
	line, ok := bytes.CutPrefix(head[:n], []byte("#!"))
	if !ok {
		return ""
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) == 0 {
		return "its first line names no interpreter"
	}
	if at, err := c.view.lookup(fields[0], 0, false); err != nil || at == nil || at.kind != tar.TypeReg {
		return "its interpreter " + fields[0] + " is not in the image"
	}
	return ""
}
