//go:build unix

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/text/texttest"
)

// sound are the arguments with which each verb would do something, in a directory with
// a project, its layout, its release and a kit of it. A flag with a hostile value is
// put after them.
var sound = map[string]string{
	"releaser":               "",
	"releaser init":          "--dir made",
	"releaser build":         "--no-run --out built",
	"releaser join":          "lay --out joined",
	"releaser push":          "lay 127.0.0.1:1/tool",
	"releaser pull":          "oci-layout:lay:1.0.0 pulled",
	"releaser check":         "oci-layout:lay:1.0.0",
	"releaser pack":          "--image oci-layout:lay --out packed",
	"releaser keygen":        "made",
	"releaser sign":          "packed --key k.key",
	"releaser publish":       "dist --page dir:www --dry-run --image oci-layout:lay --key k.pub --unsafe-no-transparency-log",
	"releaser release":       "1.0.0 --dry-run",
	"releaser fetch":         "dir:www got --platform linux/amd64 --key k.pub --unsafe-no-transparency-log",
	"releaser verify":        "dist --image oci-layout:lay --key k.pub --unsafe-no-transparency-log",
	"releaser rebuild":       "dist --key other.pub --unsafe-no-transparency-log", // not trusted: nothing is built
	"releaser verify-blob":   "dist/checksums.txt --bundle dist/checksums.txt.sigstore.json --key k.pub --unsafe-no-transparency-log",
	"releaser verify-bundle": "dist/checksums.txt.sigstore.json dist/checksums.txt --trusted-root config.json",
	"releaser verify-image":  "oci-layout:lay:1.0.0 --key k.pub --unsafe-no-transparency-log",
	"releaser kit":           "",
	"releaser kit create":    "dist --image oci-layout:lay --key k.pub --unsafe-no-transparency-log -o made.kit --force",
	"releaser kit add":       "k.kit a.rebuild.link -o made.kit --force",
	"releaser kit extract":   "k.kit extracted",
	"releaser kit ls":        "k.kit",
	"releaser trust":         "",
	"releaser trust update":  "--mirror http://127.0.0.1:1/",
	"releaser trust show":    "",
	"releaser diff":          "oci-layout:lay:1.0.0 dist/tool_1.0.0_linux_amd64.tar.gz --platform linux/amd64",
	"releaser ls":            "oci-layout:lay:1.0.0 --platform linux/amd64",
	"releaser cp":            "oci-layout:lay:1.0.0:/app made --platform linux/amd64 --force",
	"releaser matrix":        "",
	"releaser discover":      "--only images",
	"releaser version":       "",
	"releaser man":           "--out man",

	"releaser help":                  "verify",
	"releaser completion":            "",
	"releaser completion bash":       "",
	"releaser completion fish":       "",
	"releaser completion zsh":        "",
	"releaser completion powershell": "",
}

// everyVerb lists all verbs by their path, those of cobra too.
func everyVerb(t *testing.T) map[string]*cobra.Command {
	t.Helper()
	all := map[string]*cobra.Command{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		all[c.CommandPath()] = c
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	root := (&app{}).root()
	root.InitDefaultHelpCmd()
	walk(root)
	for path := range all {
		if _, known := sound[path]; !known {
			t.Errorf("%s is not tried: add its arguments to sound", path)
		}
	}
	for path := range sound {
		if all[path] == nil {
			t.Errorf("%s is no verb", path)
		}
	}
	return all
}

// TestArgumentsDoNotAct gives every verb hostile strings as arguments, as the value of
// each flag, as a flag, as a verb and in the environment: of files that exist, of
// directories and of nothing, in a job of GitHub Actions and outside of one. No line
// of what is printed acts, and no string makes a line of its own. Not on Windows, which
// has no files of such names.
func TestArgumentsDoNotAct(t *testing.T) {
	top := t.TempDir()
	t.Chdir(top)
	t.Setenv("RELEASER_RETRIES", "0")
	for name, content := range map[string]string{
		"config.json":    `{"project_name": "tool", "build_cmd": "true", "artifacts": [{"src": "x", "dest": "/app/x"}], "version": "1.0.0", "platforms": ["linux/amd64"]}`,
		"x":              "x",
		"CHANGELOG.md":   "## 1.0.0\nNotes.\n",
		"a.rebuild.link": "{}",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const unsafe = " --key k.pub --unsafe-no-transparency-log"
	for _, args := range []string{
		"build --out lay", "keygen k", "keygen other", "pack --image oci-layout:lay --out dist", "sign dist --key k.key",
		"publish dist --page dir:www --image oci-layout:lay" + unsafe, "kit create dist -o k.kit --image oci-layout:lay" + unsafe,
	} {
		if code, _, errs := within(t, strings.Fields("-q "+args)...); code != 0 {
			t.Fatalf("%s: exit code %d: %s", args, code, errs)
		}
	}
	refused, calls := 0, 0
	// try calls in text and in JSON, in a job and outside of one; once is one of these.
	try := func(once bool, args ...string) {
		t.Helper()
		for form := range 4 {
			if once && form != calls%4 {
				continue
			}
			full := args
			if form%2 == 1 {
				full = append([]string{"--json"}, args...)
			}
			job := form/2 == 1
			t.Setenv("GITHUB_ACTIONS", map[bool]string{true: "true"}[job])
			code, out, errs := within(t, full...)
			if code != 0 {
				refused++
			}
			for _, stream := range []string{out, errs} {
				if job {
					stream = strings.NewReplacer("\n::error title=", "\n", "\n::warning title=", "\n").Replace("\n" + stream)
				}
				if line, why := texttest.ActsIn(stream); why != "" {
					t.Errorf("%.300q (in a job: %v) prints %.300q: %s", full, job, line, why)
				}
			}
		}
		calls++
	}
	verbs := everyVerb(t)
	paths := slices.DeleteFunc(slices.Sorted(maps.Keys(verbs)), func(path string) bool {
		return strings.HasPrefix(path, "releaser completion ") && !strings.HasSuffix(path, " bash") // they are alike
	})
	words := func(path string) []string { return strings.Fields(path)[1:] }

	t.Run("arguments", func(t *testing.T) {
		for _, place := range []string{"nothing", "files", "directories"} {
			dir := t.TempDir()
			t.Chdir(dir)
			names, paths := slices.Concat(texttest.Strings, texttest.Dense), paths
			if place != "nothing" { // verbs without arguments look at none
				names = slices.Concat(texttest.Files, texttest.Dense)
				paths = slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return !strings.Contains(verbs[path].Use, " ") })
			}
			switch place {
			case "files":
				for _, n := range names {
					if err := os.WriteFile(n, []byte("what is this?"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			case "directories":
				for _, n := range names {
					if err := os.Mkdir(n, 0o755); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, path := range paths {
				for _, n := range names {
					dense := slices.Contains(texttest.Dense, n)
					try(!dense, append(words(path), n)...)
					if dense {
						try(true, append(words(path), n, n)...)
					}
				}
			}
		}
	})
	t.Chdir(top)
	t.Run("shapes", func(t *testing.T) {
		for _, path := range paths {
			for _, n := range texttest.Dense {
				for _, shape := range []string{
					"oci-layout:%s", "oci-layout:lay:%s", "oci-layout:lay@%s", "oci-archive:%s", "docker-archive:%s", "docker-archive:k.kit:%s", "127.0.0.1:1/%s", "127.0.0.1:1/tool:%s", "%s/tool",
					"http://127.0.0.1:1/%s", "http://%s/", "gitea:http://127.0.0.1:1/%s/%[1]s", "dir:%s", "dir:www@%s", "%s@1.0.0", "oci-layout:lay:1.0.0:/app/%s", "oci-layout:lay:1.0.0:%s", "--%s", "-%s", "--key=%s", "dist/%s",
				} {
					arg := fmt.Sprintf(shape, n)
					try(true, append(words(path), arg)...)
					if n == texttest.Dense[0] {
						try(true, append(words(path), arg, arg)...)
					}
				}
			}
		}
	})
	t.Run("flags", func(t *testing.T) {
		for _, path := range paths {
			base := append(words(path), strings.Fields(sound[path])...)
			verbs[path].Flags().VisitAll(func(f *pflag.Flag) {
				for _, n := range texttest.Dense {
					if path == "releaser discover" && n != texttest.Dense[0] { // it asks git and apt
						continue
					}
					if f.Name == "help" {
						n = "false" + n
					}
					try(n != texttest.Dense[0] || path == "releaser discover", append(base, "--"+f.Name+"="+n)...)
					if err := errors.Join(os.RemoveAll("got"), os.RemoveAll("pulled"), os.RemoveAll("extracted"), os.RemoveAll("made.pub"), os.RemoveAll("made.key"), os.RemoveAll("made")); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	})
	t.Run("environment", func(t *testing.T) {
		for _, name := range environment {
			for _, n := range texttest.Dense {
				t.Setenv(variable(name), n)
				for _, path := range []string{"releaser verify", "releaser pack", "releaser build", "releaser publish", "releaser check", "releaser fetch", "releaser push", "releaser sign"} {
					try(n != texttest.Dense[0], append(words(path), strings.Fields(sound[path])...)...)
				}
			}
			if err := os.Unsetenv(variable(name)); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range texttest.Dense {
			t.Setenv("RELEASER_CONFI"+strings.ReplaceAll(n, "=", "-"), n) // looks like one that there is
			for _, name := range []string{"RELEASER_TOKEN", "GITHUB_TOKEN", "RELEASER_KEY_PASSWORD", "SIGSTORE_ID_TOKEN", "SOURCE_DATE_EPOCH", "DOCKER_CONFIG", "GITHUB_STEP_SUMMARY"} {
				t.Setenv(name, n)
			}
			for _, path := range paths {
				try(n != texttest.Dense[0], append(words(path), strings.Fields(sound[path])...)...)
			}
		}
	})
	if refused < calls/2 {
		t.Errorf("%d of %d calls failed: the strings did not get where they are refused", refused, calls)
	}
}
