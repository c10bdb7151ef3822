package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"facerec/internal/inputs"
	"facerec/internal/models"
)

func fetchModels(c *call, args []string) error {
	dir := c.flags.String("dir", "models", "directory for the .dat files")
	from := c.flags.String("from", "debian", "origin: debian or dlib.net")
	base := c.flags.String("base-url", "", "another address for --from dlib.net")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.noArgs(); err != nil {
		return err
	}
	l := models.Pinned()
	origin, err := l.FindOrigin(*from)
	if err != nil {
		return usageError{err}
	}
	at, err := c.modelOrigin(origin, *base)
	if err != nil {
		return err
	}
	return c.store.Models(c.ctx, l, *dir, at)
}

func (c *call) modelOrigin(o models.Origin, base string) (inputs.ModelOrigin, error) {
	if o.URL != "" {
		if base != "" {
			return inputs.ModelOrigin{BaseURL: base}, nil
		}
		return inputs.ModelOrigin{BaseURL: o.URL}, nil
	}
	l, err := c.lock()
	if err != nil {
		return inputs.ModelOrigin{}, err
	}
	pins, err := l.For("models", "")
	if err != nil {
		return inputs.ModelOrigin{}, err
	}
	return inputs.ModelOrigin{Pin: &pins[0]}, nil
}

func samples(c *call, args []string) error {
	persons := c.flags.String("persons", "persons", "directory for the photos to enrol")
	images := c.flags.String("images", "images", "directory for the picture to recognise")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.noArgs(); err != nil {
		return err
	}
	l, err := c.lock()
	if err != nil {
		return err
	}
	pins, err := l.For("samples", "amd64")
	if err != nil {
		return err
	}
	text, err := os.ReadFile("persons/samples.lock.json")
	if err != nil {
		return err
	}
	s, err := inputs.ParseSamples(text)
	if err != nil {
		return err
	}
	return c.store.Samples(c.ctx, s, pins[0], *persons, *images)
}

// hostPlatform is the platform that this machine runs.
func hostPlatform() string {
	if runtime.GOARCH == "arm" {
		return "linux/arm/v7"
	}
	return "linux/" + runtime.GOARCH
}

// cell adds the flags that choose one, and gives its toolchain after parsing.
func (c *call) cell(args []string) (*inputs.Toolchain, error) {
	lineage := c.flags.String("lineage", "dlib19", "which dlib: dlib19 or dlib20")
	platform := c.flags.String("platform", hostPlatform(), "linux/amd64, linux/arm64 or linux/arm/v7")
	if err := c.parse(args); err != nil {
		return nil, err
	}
	l, err := c.lock()
	if err != nil {
		return nil, err
	}
	t, err := c.store.Toolchain(c.ctx, l, *lineage, *platform)
	if err != nil {
		return nil, err
	}
	for _, d := range t.Drift {
		c.say("warning: %s: %s; the binary may differ from a release's", *platform, d)
	}
	if len(t.Drift) > 0 {
		c.say("hint: install the pinned versions to get a release's bytes, or run `make relock` to pin what is installed")
	}
	return t, nil
}

func dlib(c *call, args []string) error {
	t, err := c.cell(args)
	if err != nil {
		return err
	}
	if err := c.noArgs(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.stdout, t.Dir)
	return err
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return fmt.Sprint(*l) }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func facerec(c *call, args []string) error {
	out := c.flags.String("out", "bin/facerec", "path of the binary")
	pkg := c.flags.String("package", "./cmd/facerec", "package to build")
	var x list
	c.flags.Var(&x, "X", "linker's importpath.name=value; may be repeated")
	t, err := c.cell(args)
	if err != nil {
		return err
	}
	if err := c.noArgs(); err != nil {
		return err
	}
	c.say("facerec: building %s for %s, %s (dlib %s, gcc %s)", *pkg, t.Lineage, t.Target.Platform, t.Dlib, t.Gcc)
	if err := t.Build(c.ctx, inputs.Program{Package: *pkg, Out: *out, X: x}); err != nil {
		return err
	}
	c.say("facerec: wrote %s, checked: static, stripped, no build id, no path of this machine", *out)
	return nil
}

func test(c *call, args []string) error {
	cpu := c.flags.String("cpu", "", "run in an emulator, as this CPU model of it (for another architecture: the baseline's)")
	t, err := c.cell(args)
	if err != nil {
		return err
	}
	if c.flags.NArg() == 0 {
		return usageError{fmt.Errorf("test: no packages given (./internal/dlib/... is one way to name some)")}
	}
	cmd, err := t.TestCommand(c.ctx, *cpu, c.flags.Args())
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = c.stdout, c.stderr
	return cmd.Run()
}

// runWith runs any command with the environment that a cell is compiled in.
func runWith(c *call, args []string) error {
	t, err := c.cell(args)
	if err != nil {
		return err
	}
	command := c.flags.Args()
	if len(command) == 0 {
		return usageError{errors.New("run: expected a command, as in run --lineage dlib19 -- go build")}
	}
	cmd := exec.CommandContext(c.ctx, command[0], command[1:]...)
	cmd.Env = t.Env()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, c.stdout, c.stderr
	return cmd.Run()
}

func packages(c *call, args []string) error {
	file := c.flags.String("file", "packages.txt", "list of packages")
	if err := c.parse(args); err != nil {
		return err
	}
	text, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	sections := c.flags.Args()
	if len(sections) == 0 {
		sections = []string{"build", "cross", "test"}
	}
	names, err := inputs.ParsePackages(string(text), inputs.HostArch(c.ctx), sections)
	if err != nil {
		return usageError{err}
	}
	return c.store.Packages(c.ctx, names, c.stderr)
}

func check(c *call, args []string) error {
	if err := c.parse(args); err != nil {
		return err
	}
	l, err := c.lock()
	if err != nil {
		return err
	}
	findings, bad, err := c.store.Check(c.ctx, l, ".")
	if err != nil {
		return err
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(c.stdout, f); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%w: %d findings", errDiffers, bad)
	}
	return nil
}

func relock(c *call, args []string) error {
	dry := c.flags.Bool("dry-run", false, "print the difference, write nothing")
	if err := c.parse(args); err != nil {
		return err
	}
	old, err := c.lock()
	if err != nil {
		return err
	}
	l, diff, err := c.store.Relock(c.ctx, old, ".")
	if err != nil {
		return err
	}
	for _, d := range diff {
		if _, err := fmt.Fprintln(c.stdout, d); err != nil {
			return err
		}
	}
	if len(diff) == 0 {
		c.say("relock: every pin is what its suite has")
	}
	if *dry {
		return nil
	}
	return inputs.WriteFile(c.lockPath, l.Format())
}

func vendor(c *call, args []string) error {
	if err := c.parse(args); err != nil {
		return err
	}
	if c.flags.NArg() != 1 {
		return usageError{fmt.Errorf("vendor: expected one directory, got %d arguments", c.flags.NArg())}
	}
	dir := c.flags.Arg(0)
	l, err := c.lock()
	if err != nil {
		return err
	}
	for _, p := range l.Pins {
		if p.Use == "models" {
			continue // the models themselves are a tenth of the tarball
		}
		from, err := c.store.Get(c.ctx, p)
		if err != nil {
			return err
		}
		b, err := os.Open(from)
		if err != nil {
			return err
		}
		err = inputs.WriteFileFrom(filepath.Join(dir, p.File), b)
		if cerr := b.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
		c.say("vendor: %s", p.File)
	}
	pins, err := l.For("models", "")
	if err != nil {
		return err
	}
	return c.store.Models(c.ctx, models.Pinned(), dir, inputs.ModelOrigin{Pin: &pins[0]})
}
