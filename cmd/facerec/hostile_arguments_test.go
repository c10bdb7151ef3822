package main

import (
	"errors"
	"image"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/app/apptest"
	"facerec/internal/text/texttest"
)

// sound are the arguments with which each verb does something, in a directory with
// models, persons and photos. A flag with a hostile value is put after them.
var sound = map[string]string{
	"facerec":               "--cache off",
	"facerec recognize":     "photos --cache off",
	"facerec detect":        "photos --cache off",
	"facerec compare":       "photos/a.png photos/b.png --cache off",
	"facerec enroll":        "--cache off",
	"facerec group":         "photos --cache off --min-faces 1",
	"facerec calibrate":     "--cache off",
	"facerec doctor":        "",
	"facerec models":        "",
	"facerec models verify": "",
	"facerec models heal":   "--models made --from models",
	"facerec cache":         "--cache kept",
	"facerec cache clear":   "--cache kept",
	"facerec entrypoint":    "recognize photos",
	"facerec version":       "",

	"facerec help":                  "recognize",
	"facerec completion":            "",
	"facerec completion bash":       "",
	"facerec completion fish":       "",
	"facerec completion zsh":        "",
	"facerec completion powershell": "",
}

// TestArgumentsDoNotAct gives every verb hostile strings as arguments, as the value of
// each flag and in the environment: of files that exist, of directories and of
// nothing, in a job of GitHub Actions and outside of one. No line of what is printed
// acts, and no string makes a line of its own.
func TestArgumentsDoNotAct(t *testing.T) {
	verbs := map[string]*cobra.Command{}
	var paths []string
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		path := c.CommandPath()
		verbs[path] = c
		if _, known := sound[path]; !known {
			t.Errorf("%s is not tried: add its arguments to sound", path)
		}
		if !strings.HasPrefix(path, "facerec completion ") || strings.HasSuffix(path, " bash") { // they are alike
			paths = append(paths, path)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(fakeEnvironment()))
	for path := range sound {
		if verbs[path] == nil {
			t.Errorf("%s is no verb", path)
		}
	}
	words := func(path string) []string { return strings.Fields(path)[1:] }

	top := t.TempDir()
	project := func() {
		red := apptest.Patch{Box: image.Rect(10, 10, 60, 60), Color: paintColors["red"]}
		lay(t, "models/fake.dat", []byte(fakeModel))
		for _, name := range []string{"persons/red/a.png", "photos/a.png", "photos/b.png", "images/unknown.jpg"} {
			lay(t, name, painted(t, 100, red))
		}
	}
	refused, calls := 0, 0
	// try calls in a job and outside of one, and where the verb can in text and JSON;
	// once is one of these.
	try := func(once bool, args ...string) {
		t.Helper()
		for form := range 4 {
			if once && form != calls%4 {
				continue
			}
			full := args
			if form%2 == 1 {
				full = append(append([]string{}, args...), "--json")
			}
			job := form/2 == 1
			t.Setenv("GITHUB_ACTIONS", map[bool]string{true: "true"}[job])
			code, out, errs := call(full...)
			if code != 0 {
				refused++
			}
			for _, stream := range []string{out, errs} {
				if line, why := texttest.ActsIn(stream); why != "" {
					t.Errorf("%.300q (in a job: %v) prints %.300q: %s", full, job, line, why)
				}
			}
		}
		calls++
	}

	t.Run("arguments", func(t *testing.T) {
		for _, place := range []string{"nothing", "files", "directories"} {
			t.Chdir(t.TempDir())
			project()
			names := slices.Concat(texttest.Strings, texttest.Dense)
			if place != "nothing" {
				names = slices.Concat(texttest.Files, texttest.Dense)
			}
			for _, n := range names {
				var err error
				switch place {
				case "files":
					err = errors.Join(os.WriteFile(n, []byte("what is this?"), 0o600), os.WriteFile(n+".jpg", []byte("\xff\xd8"), 0o600))
				case "directories":
					err = os.Mkdir(n, 0o755)
					lay(t, n+"/"+n+".png", []byte("no picture"))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range paths {
				for _, n := range names {
					try(!slices.Contains(texttest.Dense, n), append(words(path), n)...)
					try(true, append(words(path), n+".jpg", n)...)
				}
			}
		}
	})
	t.Chdir(top)
	project()
	t.Run("flags", func(t *testing.T) {
		for _, path := range paths {
			base := append(words(path), strings.Fields(sound[path])...)
			verbs[path].Flags().VisitAll(func(f *pflag.Flag) {
				for _, n := range texttest.Dense {
					try(n != texttest.Dense[0], append(base, "--"+f.Name+"="+n)...)
				}
			})
			for _, n := range texttest.Dense {
				try(true, append(base, "--"+n)...)
				try(true, append(base, "-"+n)...)
			}
		}
	})
	t.Run("environment", func(t *testing.T) {
		verbs["facerec recognize"].Flags().VisitAll(func(f *pflag.Flag) {
			name := "FACEREC_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
			for _, n := range texttest.Dense {
				t.Setenv(name, n)
				for _, path := range []string{"facerec recognize", "facerec group", "facerec doctor", "facerec version"} {
					try(n != texttest.Dense[0], append(words(path), strings.Fields(sound[path])...)...)
				}
			}
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		})
		for _, n := range texttest.Dense {
			t.Setenv("FACEREC_THRESHOL"+strings.ReplaceAll(n, "=", "-"), n) // looks like one that there is
			for _, name := range []string{"HOME", "XDG_CACHE_HOME", "TERM", "NO_COLOR", "OMP_NUM_THREADS", "TMPDIR"} {
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
