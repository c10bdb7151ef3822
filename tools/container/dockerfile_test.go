package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"facerec/internal/inputs"
	"facerec/internal/release"
)

// instruction is one of the Dockerfile's, continuation lines joined.
type instruction struct{ stage, word, rest string }

func readDockerfile(t *testing.T) []instruction {
	t.Helper()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var out []instruction
	stage := "global"
	joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(text), ""), " ")
	for line := range strings.Lines(joined) {
		word, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		if word == "FROM" {
			stage = "final"
			if _, name, named := strings.Cut(rest, " AS "); named {
				stage = name
			}
		}
		out = append(out, instruction{stage, word, strings.TrimSpace(rest)})
	}
	return out
}

func find(all []instruction, stage, word string) []string {
	var out []string
	for _, i := range all {
		if i.stage == stage && i.word == word {
			out = append(out, i.rest)
		}
	}
	return out
}

// TestDockerfileSaysWhatConfigSays keeps the last stage and the defaults in step
// with config.json and the lock file.
func TestDockerfileSaysWhatConfigSays(t *testing.T) {
	raw, err := os.ReadFile("../../config.json")
	if err != nil {
		t.Fatal(err)
	}
	config, err := release.Parse("config.json", raw)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := inputs.ReadLock("../../inputs.lock.json")
	if err != nil {
		t.Fatal(err)
	}
	file := readDockerfile(t)
	entrypoint, err := json.Marshal(config.Image.Entrypoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ stage, word, want string }{
		{"runtime", "FROM", "--platform=${PLATFORM} scratch AS runtime"},
		{"runtime", "USER", config.Image.User},
		{"runtime", "WORKDIR", config.Image.Workdir},
		{"runtime", "ENTRYPOINT", string(entrypoint)},
		{"global", "ARG", "PLATFORM=linux/amd64"},
		{"final", "FROM", "runtime"},
		{"dlib", "ARG", "LINEAGE=dlib19"},
		{"runtime", "ARG", "LINEAGE=dlib19"},
		{"builder", "ARG", "LINEAGE=dlib19"},
	} {
		if got := find(file, c.stage, c.word); !slices.Contains(got, c.want) {
			t.Errorf("stage %s: want %s %s, got %q", c.stage, c.word, c.want, got)
		}
	}
	for n, want := range wantedImages(lock) {
		if got := lock.Images[n]; got.Arg != want.Arg || got.Name != want.Name {
			t.Errorf("inputs.lock.json: expected the image %s for %s, got %s: run make relock-images", want.Name, want.Arg, got.Name)
		} else if got.Digest == "" {
			t.Errorf("inputs.lock.json: %s has no digest: run make relock-images", got.Name)
		} else if args := find(file, "global", "ARG"); !slices.Contains(args, got.Arg+"="+got.Reference()) {
			t.Errorf("expected ARG %s=%s, as inputs.lock.json has it, got %q", got.Arg, got.Reference(), args)
		}
	}
	cell, err := oneCell(config, "dlib19/linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	labels := strings.Join(find(file, "runtime", "LABEL"), " ")
	labels = strings.NewReplacer("$LINEAGE", cell.Lineage.Name, "$PLATFORM", cell.Platform.String()).Replace(labels)
	for _, l := range config.Labels(config.Version, cell) {
		// The version is a release's, and this image is none.
		if l.Key != "org.opencontainers.image.version" && !strings.Contains(labels, l.Key+`="`+l.Value+`"`) {
			t.Errorf("want the label %s=%q, got %s", l.Key, l.Value, labels)
		}
	}
}

func TestDockerfileInstallsWhatInputsInstalls(t *testing.T) {
	if _, err := exec.LookPath("awk"); err != nil {
		t.Skip("awk is not installed")
	}
	program := regexp.MustCompile(`awk -v want="\$sections" -v arch="\$arch" '([^']+)'`).FindStringSubmatch(strings.Join(find(readDockerfile(t), "dlib", "RUN"), "\n"))
	if program == nil {
		t.Fatal("the Dockerfile does not read packages.txt as it did")
	}
	own := filepath.Join(t.TempDir(), "packages.txt")
	if err := os.WriteFile(own, []byte("[build]\na\nb [arm64]\nc [!arm64]\nd [amd64 arm64] # why\n[cross]\ne [!i386 !amd64]\nf [amd64]\n[dev]\ng\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"../../packages.txt", own} {
		list, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, arch := range []string{"amd64", "arm64", "i386"} {
			want, err := inputs.ParsePackages(string(list), arch, []string{"build", "cross"})
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("awk", "-v", "want=[build] [cross]", "-v", "arch="+arch, program[1], file).Output()
			if got := strings.Fields(string(out)); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s on %s: got %q, %v, expected %q", file, arch, got, err, want)
			}
		}
	}
}

// TestContextHasWhatIsCopied holds COPY and config.json against .dockerignore, and what is
// copied before tools/inputs is compiled against what it is made of.
func TestContextHasWhatIsCopied(t *testing.T) {
	text, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			allowed = append(allowed, name)
			if _, err := os.Stat("../../" + name); err != nil {
				t.Errorf(".dockerignore allows what is not there: %v", err)
			}
		}
	}
	in := func(name string, list []string) bool {
		return slices.ContainsFunc(list, func(a string) bool { return name == a || strings.HasPrefix(name+"/", a+"/") })
	}
	var copied []string
	for _, i := range readDockerfile(t) {
		if i.stage != "dlib" {
			continue
		}
		if i.word == "RUN" && strings.Contains(i.rest, "./tools/inputs") {
			break
		}
		if f := strings.Fields(i.rest); i.word == "COPY" && !strings.HasPrefix(f[0], "--") {
			copied = append(copied, f[:len(f)-1]...)
		}
	}
	for _, name := range copied {
		if !in(name, allowed) && !slices.ContainsFunc(allowed, func(a string) bool { return path.Dir(a) == name }) {
			t.Errorf("COPY %s: .dockerignore keeps it out of the context", name)
		}
	}
	// What is not in git is fetched or built inside.
	raw, err := os.ReadFile("../../config.json")
	if err != nil {
		t.Fatal(err)
	}
	config, err := release.Parse("config.json", raw)
	if err != nil {
		t.Fatal(err)
	}
	sources := 0
	for _, x := range config.ExternData {
		cmd := exec.Command("git", "ls-files", "-z", "--", x.Src)
		cmd.Dir = "../.."
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git ls-files: %v", err)
		}
		for _, name := range strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }) {
			if sources++; !in(name, allowed) {
				t.Errorf("config.json puts %s into the image, and .dockerignore keeps it out of the context", name)
			}
		}
	}
	if sources < 5 {
		t.Errorf("%d files of config.json are in git", sources)
	}
	for _, pkg := range []string{"./tools/inputs", "./tools/container", "./cmd/facerec", "./cmd/releaser"} {
		cmd := exec.Command("go", "list", "-deps", "-tags", "dlib", "-f", "{{.ImportPath}}", pkg)
		cmd.Dir = "../.."
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for _, dep := range strings.Fields(string(out)) {
			dir, ours := strings.CutPrefix(dep, "facerec/")
			switch {
			case !ours:
			case !in(dir, allowed) && dir != "models":
				t.Errorf("%s needs %s, and .dockerignore keeps it out of the context", pkg, dir)
			case pkg == "./tools/inputs" && !in(dir, copied):
				t.Errorf("%s needs %s, and the Dockerfile copies it too late for compiling it", pkg, dir)
			}
		}
	}
}

// TestDockerfileCopiesWhatInputsImports keeps the early COPY instructions in step
// with the packages that `go run ./tools/inputs` compiles.
func TestDockerfileCopiesWhatInputsImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "facerec/tools/inputs").Output()
	if err != nil {
		t.Fatal(err)
	}
	early := find(readDockerfile(t), "dlib", "COPY")
	n := 0
	for pkg := range strings.Lines(string(out)) {
		dir, ours := strings.CutPrefix(strings.TrimSpace(pkg), "facerec/")
		if !ours {
			continue
		}
		n++
		if !slices.Contains(early, dir+" "+dir) {
			t.Errorf("tools/inputs imports %s: expected COPY %s %s before it is compiled", pkg, dir, dir)
		}
	}
	if n == 0 {
		t.Error("no package of this module listed")
	}
}
