package check

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"facerec/internal/executable"
	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// facts are what is known of file contents, which platforms and layers share.
type facts struct {
	paths   []string
	program map[release.Digest]programFacts
	secret  map[release.Digest][]executable.Hit
}

type programFacts struct {
	*executable.Program
	err   error
	paths []executable.Hit
}

func newFacts(o Options) *facts {
	return &facts{o.Paths, map[release.Digest]programFacts{}, map[release.Digest][]executable.Hit{}}
}

// of reads a content as a program. The error is for content that cannot be
// read; a malformed program is a fact.
func (f *facts) of(c tarball.Content) (programFacts, error) {
	if p, known := f.program[c.Digest()]; known {
		return p, nil
	}
	var p programFacts
	p.Program, p.err = executable.Read(c, c.Size())
	if p.Program != nil && p.Format == "ELF" {
		var err error
		if p.paths, err = executable.FindPaths(io.NewSectionReader(c, 0, c.Size()), f.paths); err != nil {
			return p, err
		}
		more, err := executable.FindPathsInCompressed(c, f.paths)
		if err != nil {
			return p, err
		}
		p.paths = append(p.paths, more...)
	}
	f.program[c.Digest()] = p
	return p, nil
}

func (f *facts) secrets(c tarball.Content) ([]executable.Hit, error) {
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

// inspection looks at one platform of an image, or, without one, at the whole.
type inspection struct {
	Options
	index *oci.Index
	facts *facts

	image       *oci.Image
	manifestErr error
	layersErr   error
	brokenLayer string          // digest of the layer that layersErr is about
	view        *layer.View     // what a container sees
	layers      []layer.Entries // what was shipped
	stored      int64           // bytes of the layers

	findings map[string][]Finding // by rule
	named    map[layerName]bool   // secrets by name that have been reported
	files    int64                // regular files of the view
	bytes    int64
	programs int
}

type layerName struct {
	layer int
	name  string
}

func (c *inspection) add(rule, name, format string, args ...any) {
	c.findings[rule] = append(c.findings[rule], Finding{name, fmt.Sprintf(format, args...)})
}

func (c *inspection) amongFiles() string { return "none among " + text.Count(int(c.files), "file") }

// read reads the manifest, then the layers, then looks at every file. What
// cannot be read is kept for the rules; the error is that of a cancelled
// context, or of the disk on which contents are kept.
func (c *inspection) read(ctx context.Context, u *layer.Unpacker, m oci.PlatformManifest) error {
	c.image, c.manifestErr = c.index.ReadImage(ctx, m)
	if c.manifestErr != nil {
		return ctx.Err()
	}
	c.view = layer.NewView()
	for i, l := range c.image.Layers {
		c.stored += max(0, l.Size)
		entries, err := u.Read(ctx, c.image, l, "")
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			if err = c.view.Apply(i, entries); err != nil {
				err = fmt.Errorf("layer %s: %w", l.Digest, err)
			}
		}
		if err != nil {
			c.layersErr, c.brokenLayer = err, l.Digest.String()
			return nil //nolint:nilerr // for the rules to judge
		}
		c.layers = append(c.layers, entries)
	}
	return c.inspect(ctx)
}

func (c *inspection) inspect(ctx context.Context) error {
	c.findings, c.named = map[string][]Finding{}, map[layerName]bool{}
	c.mode("/", c.view.Root())
	seen := map[*layer.Inode]bool{}
	err := c.view.Walk(func(name string, d *layer.Dirent) error {
		c.mode(name, d)
		if d.Kind != tar.TypeReg || seen[d.Inode] {
			return nil
		}
		seen[d.Inode] = true
		c.files++
		c.bytes += d.Content.Size()
		if err := ctx.Err(); err != nil {
			return err
		}
		return c.program(name, d)
	})
	if err == nil {
		err = c.shipped(ctx)
	}
	if err != nil {
		return err
	}
	more, err := secretsInConfig(c.image.RawConf, c.image.Config.Config.Env)
	if err != nil {
		return err
	}
	c.findings[secrets] = append(c.findings[secrets], more...)
	if c.MaxImage > 0 && c.stored > c.MaxImage {
		c.add(size, "layers", "expected at most %d bytes as stored, got %d", c.MaxImage, c.stored)
	}
	if c.MaxFiles > 0 && c.bytes > c.MaxFiles {
		c.add(size, "files", "expected at most %d bytes as unpacked, got %d", c.MaxFiles, c.bytes)
	}
	return nil
}

func (c *inspection) mode(name string, d *layer.Dirent) {
	switch d.Kind {
	case tar.TypeSymlink:
		return
	case tar.TypeChar, tar.TypeBlock:
		c.add(devices, name, "is a device (%s)", d.Device())
	case tar.TypeFifo:
		c.add(devices, name, "is a named pipe")
	}
	if lost := layer.Attributes(d.Notes()); len(lost) > 0 {
		c.add(attributes, name, "%s", strings.Join(lost, ", "))
	}
	if d.Mode&0o6000 != 0 {
		c.add(setID, name, "mode %04o", d.Mode)
	}
	if d.Mode&0o002 != 0 && !(d.Kind == tar.TypeDir && d.Mode&0o1000 != 0) {
		c.add(writable, name, "mode %04o", d.Mode)
	}
}

func (c *inspection) program(name string, d *layer.Dirent) error {
	p, err := c.facts.of(d.Content)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if malformed := p.err; malformed != nil {
		c.add(machine, name, "%v", malformed)
		return nil // a finding, not a failure
	}
	if p.Program == nil {
		return nil
	}
	c.programs++
	conf := c.image.Config
	if want, got := p.RunsOn(conf.OS, conf.Architecture); want != "" {
		c.add(machine, name, "expected %s, got %s", want, got)
	}
	if links := p.Linked(); links != "" {
		c.add(static, name, "dynamically linked: %s", links)
	}
	for _, id := range p.BuildIDs {
		c.add(buildID, name, "%s", id)
	}
	for _, h := range p.paths {
		c.add(buildPaths, name, "%s at offset %d: %q", h.What, h.At, h.Text)
	}
	return nil
}

// shipped looks at every entry of every layer: what an upper layer deletes can
// still be taken out of the lower one.
func (c *inspection) shipped(ctx context.Context) error {
	for i, entries := range c.layers {
		for e := range entries.All() {
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

func (c *inspection) entry(at int, e *layer.Entry) error {
	name := "/" + e.Name
	if strings.HasPrefix(path.Base(name), layer.WhiteoutPrefix) {
		return nil
	}
	owner := e.Owner()
	for _, o := range []struct {
		what, name string
		number     int
	}{{"user", owner.User, owner.UID}, {"group", owner.Group, owner.GID}} {
		if o.name != "" && !(o.name == "root" && o.number == 0) {
			c.add(owners, name, "%s %d is also named %q, which may be another elsewhere", o.what, o.number, o.name)
		}
	}
	hidden := ""
	if d, err := c.view.LookupNoFollow(e.Name); err == nil && (d == nil || int(d.Layer) != at && d.Kind != tar.TypeDir) {
		hidden = fmt.Sprintf(", deleted or replaced later, but still in layer %s", c.image.Layers[at].Digest)
	}
	for i, b := range []byte(name + "/") { // a directory need not have an entry of its own
		if above := name[:min(i, len(name))]; b == '/' && i > 0 && !c.named[layerName{at, above}] {
			if what := secretName(above); what != "" {
				c.named[layerName{at, above}] = true
				c.add(secrets, above, "%s%s", what, hidden)
			}
		}
	}
	if e.Kind != tar.TypeReg || e.Content == nil {
		return nil
	}
	hits, err := c.facts.secrets(e.Content)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, h := range hits {
		c.add(secrets, name, "%s at offset %d%s", h.What, h.At, hidden)
	}
	return nil
}

// contents looks for what config.json puts into the image.
func (c *inspection) contents() verdict {
	var out []Finding
	items := append(append([]release.Item(nil), c.Config.ExternData...), c.Config.Artifacts...)
	for _, it := range items {
		d, err := c.view.Lookup(it.Dest)
		switch {
		case err != nil:
			out = append(out, Finding{it.Dest, err.Error()})
		case d == nil:
			out = append(out, Finding{it.Dest, "config.json promises it, but the image does not have it"})
		case d.Kind == tar.TypeReg && it.Mode != nil && d.Mode != *it.Mode:
			out = append(out, Finding{it.Dest, fmt.Sprintf("expected mode %04o, got %04o", *it.Mode, d.Mode)})
		}
	}
	return verdict{detail: text.Count(len(items), "path") + " of config.json", findings: out}
}

// defaultPath is where engines look for a program when the image sets no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// entrypoint finds the program that a container starts, as an engine does.
func (c *inspection) entrypoint() verdict {
	conf := c.image.Config.Config
	command := append(append([]string(nil), conf.Entrypoint...), conf.Cmd...)
	if len(command) == 0 {
		if c.Config != nil && len(c.Config.Image.Entrypoint)+len(c.Config.Image.Cmd) == 0 {
			return verdict{detail: "none, as in config.json"}
		}
		return verdict{findings: []Finding{{"entrypoint", "the image has neither entrypoint nor cmd: nothing would run"}}}
	}
	name, d, why := c.find(command[0], conf.WorkingDir, conf.Env)
	if why == "" {
		why = c.runnable(d, conf.User)
	}
	if why != "" {
		return verdict{findings: []Finding{{name, why}}}
	}
	return verdict{detail: fmt.Sprintf("%s, mode %04o", text.Show(name), d.Mode)}
}

func (c *inspection) find(program, workdir string, env []string) (string, *layer.Dirent, string) {
	if strings.Contains(program, "/") {
		name := program
		if !path.IsAbs(name) {
			name = path.Join("/", workdir, name)
		}
		d, err := c.view.Lookup(name)
		if err == nil && d == nil && c.image.Config.OS == "windows" && path.Ext(name) == "" {
			name += ".exe" // as Windows itself looks for a program
			d, err = c.view.Lookup(name)
		}
		switch {
		case err != nil:
			return name, nil, err.Error()
		case d == nil:
			return name, nil, "is not in the image"
		case d.Kind == tar.TypeDir:
			return name, nil, "is a directory"
		case d.Kind != tar.TypeReg:
			return name, nil, "is not a regular file"
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
		if d, err := c.view.Lookup(name); err == nil && d != nil && d.Kind == tar.TypeReg && d.Mode&0o111 != 0 {
			return name, d, ""
		}
	}
	return program, nil, "is in no directory of PATH " + dirs
}

// runnable says why the image's user cannot run a file, or "".
func (c *inspection) runnable(d *layer.Dirent, user string) string {
	uid, gid := 0, 0
	u, g, _ := strings.Cut(user, ":")
	if n, err := strconv.Atoi(u); err == nil {
		uid = n
	}
	if n, err := strconv.Atoi(g); err == nil {
		gid = n
	}
	owner, bit := d.Owner(), uint32(0o001)
	switch {
	case uid == 0:
		bit = 0o111
	case uid == owner.UID:
		bit = 0o100
	case gid == owner.GID:
		bit = 0o010
	}
	if d.Mode&bit == 0 {
		return fmt.Sprintf("mode %04o, owner %d:%d: user %q may not execute it", d.Mode, owner.UID, owner.GID, user)
	}
	if d.Content.Size() == 0 {
		return "is empty"
	}
	head := make([]byte, 256)
	n, err := d.Content.ReadAt(head, 0)
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
	if at, err := c.view.Lookup(fields[0]); err != nil || at == nil || at.Kind != tar.TypeReg {
		return "its interpreter " + fields[0] + " is not in the image"
	}
	return ""
}
