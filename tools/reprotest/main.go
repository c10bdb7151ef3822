// Reprotest builds every cell twice under circumstances that differ in all that
// must not matter, and compares binaries, layers, index digests and tarballs.
//
//	go run ./tools/reprotest [--cells dlib19/linux/amd64] [--released DIST] [--dir DIR] [--keep]
//
//	                first build        second build
//	directory          short              longer, with a blank and other letters
//	user, HOME      yours              nobody, an empty one (as root only)
//	caches          yours, warm        empty
//	umask           022                077
//	TZ, locale      UTC, C             Pacific/Kiritimati, tr_TR.UTF-8
//	host name       yours              another (as root only)
//	cores           all                one
//	clock           now                1 year and 100 days later, where faketime is installed
//	environment     yours              noise
//	order of cells  as configured      reversed
//
// With --released both are also compared with a release directory that was built
// elsewhere, perhaps on another kind of machine.
//
// Go's own clock does not listen to faketime, the compilers' and the archiver's
// does. Exit codes: 0 all the same · 1 could not do it · 3 something differs, and
// releaser diff says what. A circumstance that could not be varied is named.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"facerec/internal/release"
	"facerec/internal/text"
)

// errDiffers is the verdict; the report has said what.
var errDiffers = errors.New("not reproducible: see above")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx)
	switch {
	case err == nil:
		return
	case ctx.Err() != nil:
		os.Exit(130)
	}
	fmt.Fprintf(os.Stderr, "reprotest: %v\n", err)
	if errors.Is(err, errDiffers) {
		os.Exit(3)
	}
	os.Exit(1)
}

func run(ctx context.Context) error {
	cells := flag.String("cells", "dlib19/linux/amd64", "which cells")
	project := flag.String("project", ".", "directory with the config.json to build")
	released := flag.String("released", "", "a release directory of these cells to compare with as well")
	dir := flag.String("dir", "", "where to work (default: a temporary directory)")
	keep := flag.Bool("keep", false, "keep that directory")
	flag.Parse()
	if *dir == "" {
		tmp, err := os.MkdirTemp("", "r")
		if err != nil {
			return err
		}
		*dir = tmp
	}
	if !*keep {
		defer os.RemoveAll(*dir)
	}
	releaser, err := filepath.Abs("bin/releaser")
	if err != nil {
		return err
	}
	return twice(ctx, releaser, *project, *cells, *released, *dir)
}

// twice builds a project two times below dir and compares; with a release directory too,
// if one is given.
func twice(ctx context.Context, releaser, project, cells, released, dir string) error {
	raw, err := os.ReadFile(filepath.Join(project, "config.json"))
	if err != nil {
		return err
	}
	config, err := release.Parse("config.json", raw)
	if err != nil {
		return err
	}
	chosen, err := config.Select(cells)
	if err != nil {
		return err
	}
	t := &test{ctx: ctx, releaser: releaser, project: project, config: config, cells: chosen, released: released}
	first, second := t.circumstances(dir)
	// The checkouts must be reachable for whoever builds in them.
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755)); err != nil {
		return err
	}
	for _, c := range []*circumstances{first, second} {
		if err := t.build(c); err != nil {
			return fmt.Errorf("%s build: %w", c.name, err)
		}
	}
	return t.compare(first, second)
}

// test is one comparison.
type test struct {
	ctx      context.Context
	releaser string
	project  string
	config   *release.Config
	cells    []release.Cell
	released string // a release directory, or ""
}

// circumstances are all that must not matter to a build.
type circumstances struct {
	name   string
	dir    string // the checkout
	env    []string
	umask  int
	nobody bool     // built by another user, who must own the directories
	before []string // commands that the build is run under
	cells  []release.Cell
	took   time.Duration

	oci, dist string
}

func (t *test) circumstances(dir string) (first, second *circumstances) {
	first = &circumstances{
		name: "first", dir: filepath.Join(dir, "a"), umask: 0o022, cells: t.cells,
		env: append(os.Environ(), "TZ=UTC", "LC_ALL=C"),
	}
	home := filepath.Join(dir, "somebody else's home")
	second = &circumstances{
		name: "second", dir: filepath.Join(dir, "another checkout, with ünusual letters"), umask: 0o077,
		env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + filepath.Join(home, "tmp"),
			"TZ=Pacific/Kiritimati", "LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8", "USER=somebody",
			"NOISE=1", "CFLAGS=-O0 -g", "CXXFLAGS=-O0 -g", "GZIP_OPT=-1", "TAR_OPTIONS=--owner=7", "CDPATH=/", "GREP_COLORS=x",
		},
	}
	for _, name := range []string{"GOPROXY", "GOFLAGS", "GONOSUMDB", "GOTOOLCHAIN"} {
		if v := os.Getenv(name); v != "" {
			second.env = append(second.env, name+"="+v)
		}
	}
	second.cells = slices.Clone(t.cells)
	slices.Reverse(second.cells)
	var own []string
	if os.Getuid() == 0 {
		second.nobody = true
		second.before = append(second.before, elsewhere()...)
		own = ownMemory()
		second.before = append(second.before, own...)
		second.before = append(second.before, program("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")...)
	} else {
		fmt.Println("reprotest: not root: the second build has the same user and host name")
	}
	second.before = append(second.before, program("taskset", "-c", "0")...)
	second.before = append(second.before, laterClock(own)...)
	return first, second
}

// elsewhere runs a command under another host name.
func elsewhere() []string {
	return program("unshare", "--uts", "sh", "-ec", `echo elsewhere >/proc/sys/kernel/hostname; exec "$0" "$@"`)
}

// laterClock runs a command at a later date. It is tried under another one.
func laterClock(under []string) []string {
	line := program(append(slices.Clone(under), "faketime", "+465 days")...)
	return line[min(len(under), len(line)):]
}

// ownMemory runs a command with a /dev/shm of its own. What a faketime leaves there
// when it is killed stops any other that has its process ID by chance.
func ownMemory() []string {
	return program("unshare", "--mount", "sh", "-ec", `mount -t tmpfs -o mode=1777 none /dev/shm; exec "$0" "$@"`)
}

// program is a command line under which others run, if its program is installed and
// may do here what it does: in a container, root cannot change the host
// name.
func program(args ...string) []string {
	path, err := exec.LookPath(args[0])
	if err != nil {
		fmt.Printf("reprotest: %s is not installed: what it varies is not varied\n", args[0])
		return nil
	}
	line := append([]string{path}, args[1:]...)
	if out, err := exec.Command(path, append(line[1:len(line):len(line)], "true")...).CombinedOutput(); err != nil {
		fmt.Printf("reprotest: %s: %v: what it varies is not varied: %s\n", args[0], err, text.Line(string(out), 200))
		return nil
	}
	return line
}

// checkout copies what git knows and what was fetched, with the modes that a
// umask leaves.
func (t *test) checkout(c *circumstances) error {
	out, err := exec.CommandContext(t.ctx, "git", "-C", t.project, "ls-files", "-z", "--cached", "--others").Output()
	var names []string
	if err == nil {
		names = strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
	} else { // no git here: everything
		err = filepath.WalkDir(t.project, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				rel, rerr := filepath.Rel(t.project, p)
				names, err = append(names, rel), rerr
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, name := range names {
		if top, _, _ := strings.Cut(name, "/"); top == "build" || top == "bin" || top == "dist" {
			continue
		}
		if err := copyFile(filepath.Join(t.project, name), filepath.Join(c.dir, name), c.umask); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string, umask int) error {
	fi, err := os.Lstat(from)
	if err != nil || !fi.Mode().IsRegular() {
		return err
	}
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o666)
	if fi.Mode()&0o100 != 0 {
		mode = 0o777
	}
	if err := os.WriteFile(to, raw, 0o600); err != nil {
		return err
	}
	return os.Chmod(to, mode&^os.FileMode(umask))
}

func (t *test) build(c *circumstances) error {
	if err := t.checkout(c); err != nil {
		return err
	}
	c.oci, c.dist = filepath.Join(c.dir, "build", "reprotest", "oci"), filepath.Join(c.dir, "build", "reprotest", "dist")
	// The program itself may lie where another user cannot go.
	if err := copyFile(t.releaser, filepath.Join(c.dir, "bin", "releaser"), 0o022); err != nil {
		return err
	}
	for _, kv := range c.env {
		if k, v, _ := strings.Cut(kv, "="); k == "TMPDIR" {
			if err := os.MkdirAll(v, 0o755); err != nil {
				return err
			}
		}
	}
	if c.nobody {
		if out, err := exec.CommandContext(t.ctx, "chown", "-R", "nobody:nogroup", homeOf(c.env), c.dir).CombinedOutput(); err != nil {
			return fmt.Errorf("chown: %w: %s", err, out)
		}
	}
	var names []string
	for _, cell := range c.cells {
		names = append(names, cell.String())
	}
	list := strings.Join(names, ",")
	start := time.Now()
	fmt.Printf("reprotest: %s build, %s\n", c.name, list)
	if err := t.command(c, "build", "--cells", list, "--out", c.oci); err != nil {
		return err
	}
	c.took = time.Since(start)
	return t.command(c, "pack", "-q", "--cells", list, "--image", "oci-layout:"+c.oci, "--out", c.dist)
}

func homeOf(env []string) string {
	for _, kv := range env {
		if home, ok := strings.CutPrefix(kv, "HOME="); ok {
			return home
		}
	}
	return "/"
}

// command runs the releaser of a checkout under its circumstances.
func (t *test) command(c *circumstances, args ...string) error {
	line := append(slices.Clone(c.before), "sh", "-c", fmt.Sprintf(`umask %03o; exec "$0" "$@"`, c.umask), "bin/releaser")
	line = append(line, args...)
	cmd := exec.CommandContext(t.ctx, line[0], line[1:]...)
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("releaser %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// row is one thing that was made twice.
type row struct{ cell, what, first, second string }

func (t *test) compare(first, second *circumstances) error {
	a, err := readResult(first)
	if err != nil {
		return err
	}
	z, err := readResult(second)
	if err != nil {
		return err
	}
	var other release.Record
	if t.released != "" {
		if other, err = readRecord(t.released); err != nil {
			return err
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CELL\tWHAT\tFIRST\tSECOND\t")
	differ := 0
	for _, cell := range t.cells {
		list := rows(a, z, cell.String())
		if t.released != "" {
			list = append(list, asReleased(a.record, other, cell.String())...)
		}
		for _, r := range list {
			verdict := "same"
			if r.first != r.second || r.first == "" {
				verdict = "DIFFERS"
				differ++
			}
			fmt.Fprintf(w, "%s\t%s\t%.16s\t%.16s\t%s\n", r.cell, r.what, r.first, r.second, verdict)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("%d cells; first build %s, second %s\n", len(t.cells), first.took.Round(time.Second), second.took.Round(time.Second))
	if differ == 0 {
		return nil
	}
	for _, rc := range a.record.Cells {
		for _, with := range []struct {
			record release.Record
			dist   string
		}{{z.record, second.dist}, {other, t.released}} {
			made, ok := with.record.Cell(rc.String())
			if !ok || made.FileSHA256 == rc.FileSHA256 {
				continue
			}
			fmt.Printf("\n%s: releaser diff\n", rc)
			cmd := exec.CommandContext(t.ctx, t.releaser, "diff", filepath.Join(first.dist, rc.Asset), filepath.Join(with.dist, made.Asset))
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			var exit *exec.ExitError
			if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
				return err
			}
		}
	}
	return errDiffers
}
