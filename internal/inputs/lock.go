package inputs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/toolchain"
)

// LockSchema is the first field of inputs.lock.json.
const LockSchema = "facerec/inputs/v1"

// Lock is inputs.lock.json: what is asked for (Wants) and what was found (Pins).
type Lock struct {
	Schema    string     `json:"schema"`
	Go        string     `json:"go"` // as `go env GOVERSION` prints it
	GoFiles   []GoFiles  `json:"go_files,omitempty"`
	Modules   []Module   `json:"modules"`   // those that decide what the binary computes
	Compilers []Compiler `json:"compilers"` // one for each platform and kind of machine
	Wants     []Want     `json:"wants"`
	Pins      []Pin      `json:"pins"`
	Images    []Image    `json:"images,omitempty"` // what the Dockerfile begins with
}

// Image is an image that the Dockerfile is built on. It has no digest until a
// registry was asked for it; then only that one is pulled.
type Image struct {
	Arg    string `json:"arg"`  // of the Dockerfile, "BASE"
	Name   string `json:"name"` // NAME:TAG
	Digest string `json:"digest"`
}

// Reference is the argument's default in the Dockerfile.
func (i Image) Reference() string {
	if i.Digest == "" {
		return i.Name
	}
	return i.Name + "@" + i.Digest
}

// GoFiles is Go itself for the machine that compiles, as golang.org/toolchain has it.
type GoFiles struct {
	Platform string `json:"platform"`
	Sum      string `json:"sum"`    // the module's h1: hash, as the checksum database has it
	SHA256   string `json:"sha256"` // of what decides a build's bytes in it; see goTree
}

// Module is a Go module as go.sum knows it.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum"` // the h1: hash of go.sum
}

// Compiler names the Debian packages, with their versions, whose files end up
// in a static binary or decide its instructions.
type Compiler struct {
	Platform string    `json:"platform"`
	Host     string    `json:"host,omitempty"` // Debian's name of the compiling machine; none: toolchain.Reference
	Packages []Package `json:"packages"`
}

// Package is a Debian package of a compiler. It is installed, by whoever owns the
// machine, so that the lock can be compared with it but not enforced.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch,omitempty"`   // of the .deb: the compiling machine's, or "all"
	SHA256  string `json:"sha256,omitempty"` // of the .deb; none where the suite does not have that version
}

// Version is an installed Debian package.
type Version struct{ Name, Version string }

// Want is one line of intent: a package, from a suite, for some architectures.
// Relock turns wants into pins.
type Want struct {
	Use   string   `json:"use"`   // a lineage ("dlib19"), "samples" or "models"
	Kind  string   `json:"kind"`  // "deb" or "source"
	Suite string   `json:"suite"` // Debian suite, "bookworm"
	Name  string   `json:"name"`
	Arch  []string `json:"arch,omitempty"` // Debian architectures; none for a source
	File  string   `json:"file,omitempty"` // which file of a source package
}

// Pin is one file of Debian's archive.
type Pin struct {
	Use     string `json:"use"`
	Kind    string `json:"kind"`
	Suite   string `json:"suite"`
	Name    string `json:"name"`
	Arch    string `json:"arch,omitempty"`
	Version string `json:"version"`
	File    string `json:"file"`
	Size    int64  `json:"size"` // bytes
	SHA256  string `json:"sha256"`
}

// compilers are those that are pinned for a platform on a machine of Debian's
// architecture host; nil if there are none.
func (l *Lock) compilers(platform, host string) []Package {
	for _, c := range l.Compilers {
		if c.Platform == platform && cmp.Or(c.Host, toolchain.Reference) == host {
			return c.Packages
		}
	}
	return nil
}

var hexSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ParseLock reads inputs.lock.json and refuses unknown keys, unknown kinds,
// malformed hashes, file names with a slash, and duplicate pins.
func ParseLock(b []byte) (*Lock, error) {
	var l Lock
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return nil, fmt.Errorf("inputs lock: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("inputs lock: something follows the JSON document")
	}
	if l.Schema != LockSchema {
		return nil, fmt.Errorf("inputs lock: schema %q, expected %q", l.Schema, LockSchema)
	}
	for _, w := range l.Wants {
		if w.Kind != "deb" && w.Kind != "source" {
			return nil, fmt.Errorf("inputs lock: %s has kind %q, expected deb or source", w.Name, w.Kind)
		}
		if w.Use == "" || w.Name == "" || w.Suite == "" || (w.Kind == "deb") != (len(w.Arch) > 0) {
			return nil, fmt.Errorf("inputs lock: want %q: needs use, name, suite and, for a deb, arch", w.Name)
		}
	}
	machines := map[string]bool{}
	for _, c := range l.Compilers {
		if key := c.Platform + " on " + cmp.Or(c.Host, toolchain.Reference); machines[key] {
			return nil, fmt.Errorf("inputs lock: duplicate compilers for %s", key)
		} else {
			machines[key] = true
		}
		for _, p := range c.Packages {
			if p.SHA256 != "" && (!hexSum.MatchString(p.SHA256) || p.Arch == "") {
				return nil, fmt.Errorf("inputs lock: %s has sha256 %q and arch %q, expected 64 lower-case hexadecimal digits and an architecture", p.Name, p.SHA256, p.Arch)
			}
		}
	}
	for _, g := range l.GoFiles {
		if g.Platform == "" || !strings.HasPrefix(g.Sum, "h1:") || !hexSum.MatchString(g.SHA256) {
			return nil, fmt.Errorf("inputs lock: go for %q needs platform, sum and sha256", g.Platform)
		}
	}
	for _, i := range l.Images {
		if sum, ok := strings.CutPrefix(i.Digest, "sha256:"); i.Arg == "" || i.Name == "" || i.Digest != "" && (!ok || !hexSum.MatchString(sum)) {
			return nil, fmt.Errorf("inputs lock: image %q needs arg, name and a digest, sha256: and 64 lower-case hexadecimal digits (or none yet), got %q", i.Name, i.Digest)
		}
	}
	seen := map[string]bool{}
	for _, p := range l.Pins {
		switch {
		case p.Kind != "deb" && p.Kind != "source":
			return nil, fmt.Errorf("inputs lock: %s has kind %q, expected deb or source", p.Name, p.Kind)
		case p.Name == "" || p.Version == "" || p.Suite == "" || p.Use == "":
			return nil, fmt.Errorf("inputs lock: pin %q needs use, suite, name and version", p.File)
		case p.File == "" || strings.ContainsAny(p.File, "/\\") || strings.HasPrefix(p.File, "."):
			return nil, fmt.Errorf("inputs lock: %s has file %q, expected a bare file name", p.Name, p.File)
		case !hexSum.MatchString(p.SHA256):
			return nil, fmt.Errorf("inputs lock: %s has sha256 %q, expected 64 lower-case hexadecimal digits", p.File, p.SHA256)
		case p.Size <= 0:
			return nil, fmt.Errorf("inputs lock: %s has size %d, expected the file's size in bytes", p.File, p.Size)
		}
		key := p.Use + " " + p.File
		if seen[key] {
			return nil, fmt.Errorf("inputs lock: %s is duplicated for %s", p.File, p.Use)
		}
		seen[key] = true
	}
	return &l, nil
}

// Format writes the lock as the file is kept: two spaces, a newline at the end.
// ParseLock(l.Format()) gives l again.
func (l *Lock) Format() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(l); err != nil { // strings and integers always encode
		panic(err)
	}
	return b.Bytes()
}

// maxLock bounds a lock file, in bytes.
const maxLock = 64 << 20

// ReadLock reads and parses the file at path.
func ReadLock(path string) (*Lock, error) {
	b, err := atomicfile.ReadFile(path, maxLock)
	if err != nil {
		return nil, err
	}
	return ParseLock(b)
}

// For gives the pins of one use and, for debs, one architecture, in the lock's
// order. None is an error that lists the uses there are.
func (l *Lock) For(use, arch string) ([]Pin, error) {
	var out []Pin
	var known []string
	for _, p := range l.Pins {
		if len(known) == 0 || known[len(known)-1] != p.Use {
			known = append(known, p.Use)
		}
		if p.Use == use && (p.Kind == "source" || p.Arch == arch || p.Arch == "all") {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("nothing is pinned for %q on %s: the lock knows %s (add a want to inputs.lock.json and run relock)", use, arch, strings.Join(known, ", "))
	}
	return out, nil
}

// Lineages lists the uses that begin with "dlib", in the lock's order.
func (l *Lock) Lineages() []string {
	var out []string
	for _, w := range l.Wants {
		if strings.HasPrefix(w.Use, "dlib") && (len(out) == 0 || out[len(out)-1] != w.Use) {
			out = append(out, w.Use)
		}
	}
	return out
}
