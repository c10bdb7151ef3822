package inputs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"facerec/internal/text"
)

// Apt is the ordinary apt client with a private configuration: its own
// sources, lists and cache in a directory, so that it needs no root, waits for no
// lock, and changes nothing on the machine. Trust stays apt's: signatures of
// the archive are checked with the machine's keyrings.
type Apt struct {
	dir   string // holds apt.conf, sources/, lists/, cache/
	suite string
	arch  string
	src   bool
	say   Progress
}

// apt prepares the client for one suite and architecture; src asks for source
// packages.
func (s *Store) apt(suite, arch string, src bool) (*Apt, error) {
	entry, err := s.archive()
	if err != nil {
		return nil, err
	}
	kind := "deb"
	name := suite + "-" + arch
	if src {
		kind, name = "deb-src", suite+"-src"
	}
	dir, err := filepath.Abs(filepath.Join(s.Dir, "apt", name))
	if err != nil {
		return nil, err
	}
	for _, d := range []string{"sources", "lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	conf := fmt.Sprintf(`Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "%[1]s/sources";
Dir::State::lists "%[1]s/lists";
Dir::Cache "%[1]s/cache";
APT::Architecture "%[2]s";
#clear APT::Architectures;
APT::Architectures { "%[2]s"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::Retries "3";
Acquire::http::Timeout "60";
Acquire::https::Timeout "60";
`, dir, arch)
	if err := os.WriteFile(filepath.Join(dir, "apt.conf"), []byte(conf), 0o644); err != nil {
		return nil, err
	}
	sources := entry.render(kind, suite)
	path := filepath.Join(dir, "sources", "debian.sources")
	if old, err := os.ReadFile(path); err != nil || string(old) != sources {
		// Lists of another mirror must not be mistaken for this one's.
		if err := os.WriteFile(path, []byte(sources), 0o644); err != nil {
			return nil, err
		}
	}
	return &Apt{dir: dir, suite: suite, arch: arch, src: src, say: s.say}, nil
}

// signedOnly undoes settings of the machine that let apt use an unsigned
// archive. They are on the command line because it comes last in apt.conf(5)'s
// order.
var signedOnly = []string{
	"-o", "APT::Get::AllowUnauthenticated=false",
	"-o", "Acquire::AllowInsecureRepositories=false",
	"-o", "Acquire::AllowWeakRepositories=false",
	"-o", "Acquire::AllowDowngradeToInsecureRepositories=false",
}

// run calls one of apt's programs with the private configuration and gives its
// standard output.
func (a *Apt) run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	args = append(append([]string{args[0]}, signedOnly...), args[1:]...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(a.dir, "apt.conf"), "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
	return output(cmd)
}

// output runs cmd; an error ends with the last complaint that it printed.
func output(cmd *exec.Cmd) ([]byte, error) {
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w%s", strings.Join(cmd.Args, " "), err, lastWords(complaint.String()))
	}
	return out.Bytes(), nil
}

// lastWords picks the line that says why a program failed: the first that says
// "error" or begins with apt's "E:", else the last.
func lastWords(printed string) string {
	lines := strings.FieldsFunc(strings.TrimSpace(printed), func(r rune) bool { return r == '\n' })
	if len(lines) == 0 {
		return ""
	}
	for _, l := range lines {
		if strings.HasPrefix(l, "E: ") || strings.Contains(l, "error:") {
			return ": " + text.Line(l, 500)
		}
	}
	return ": " + text.Line(lines[len(lines)-1], 500)
}

// update renews the lists.
func (a *Apt) update(ctx context.Context) error {
	what := "packages for " + a.arch
	if a.src {
		what = "source packages"
	}
	a.say("apt: reading the list of %s's %s", a.suite, what)
	_, err := a.run(ctx, a.dir, "apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any")
	return err
}

// haveLists says that an update was made before.
func (a *Apt) haveLists() bool {
	m, _ := filepath.Glob(filepath.Join(a.dir, "lists", "*_dists_*"))
	return len(m) > 0
}

// download fetches one package, or all files of one source package, into dir.
// Old lists are tried first; when they do not do, they are renewed once.
func (a *Apt) download(ctx context.Context, dir, name, version string) error {
	args := []string{"apt-get", "download", "-q", name + "=" + version}
	if a.src {
		args = []string{"apt-get", "source", "-q", "--download-only", name + "=" + version}
	}
	if a.haveLists() {
		if _, err := a.run(ctx, dir, args...); err == nil {
			return nil
		}
	}
	if err := a.update(ctx); err != nil {
		return err
	}
	if _, err := a.run(ctx, dir, args...); err != nil {
		now := ""
		if v, verr := a.candidate(ctx, name); verr == nil && v != version {
			now = fmt.Sprintf("; the suite has moved on to %s: run `go run ./tools/inputs relock`, or give --offline a directory made by `vendor` while it was there", v)
		}
		return fmt.Errorf("%s %s is not available from %s: %w%s", name, version, a.suite, err, now)
	}
	return nil
}

// candidate is the version that the suite has now.
func (a *Apt) candidate(ctx context.Context, name string) (string, error) {
	args := []string{"apt-cache", "show", "--no-all-versions", name}
	if a.src {
		args = []string{"apt-cache", "showsrc", "--only-source", name}
	}
	out, err := a.run(ctx, a.dir, args...)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(line, "Version: "); ok {
			return strings.TrimSpace(v), nil
		}
	}
	return "", fmt.Errorf("%s has no %s", a.suite, name)
}

// deb gives architecture and SHA-256 of one version of a package by the lists that
// were read last; nothing if they do not have it.
func (a *Apt) deb(ctx context.Context, name, version string) (Package, error) {
	out, err := a.run(ctx, a.dir, "apt-cache", "show", "--all-versions", name)
	if err != nil {
		if ctx.Err() != nil {
			return Package{}, context.Cause(ctx)
		}
		return Package{}, nil // apt-cache fails where it has no such package
	}
	return findDeb(string(out), name, version), nil
}

// findDeb reads stanzas of a Packages file.
func findDeb(stanzas, name, version string) Package {
	for stanza := range strings.SplitSeq(stanzas, "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(stanza) {
			if k, v, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, " ") {
				fields[k] = strings.TrimSpace(v)
			}
		}
		if fields["Package"] == name && fields["Version"] == version && hexSum.MatchString(fields["SHA256"]) {
			return Package{name, version, fields["Architecture"], fields["SHA256"]}
		}
	}
	return Package{}
}
