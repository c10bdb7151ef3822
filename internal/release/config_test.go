package release

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

const minimal = `{
  "project_name": "tool",
  "build_cmd": "make",
  "artifacts": [
    { "src": "build/tool", "dest": "/app/tool" }
  ]
}`

func TestParseR10edocker(t *testing.T) {
	c, err := Parse("config.json", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	cells := c.Cells()
	if len(cells) != 1 || cells[0].Platform.String() != "linux/amd64" {
		t.Fatalf("cells = %v", cells)
	}
	for _, check := range []struct{ name, got, want string }{
		{"asset", c.AssetName("1.2.3", cells[0]), "tool_1.2.3_linux_amd64.tar.gz"},
		{"prefix", c.Prefix("1.2.3", cells[0]), "tool-1.2.3"},
		{"tag", c.ImageTag("1.2.3", cells[0].Lineage), "1.2.3"},
		{"user", c.Image.User, "10001:10001"},
		{"repository", c.Image.Repository, "tool"},
	} {
		if check.got != check.want {
			t.Errorf("%s = %q, want %q", check.name, check.got, check.want)
		}
	}
}

// An editor on Windows ends lines with CRLF; positions stay those of a person.
func TestParseDOSLineEnds(t *testing.T) {
	dos := strings.ReplaceAll(minimal, "\n", "\r\n")
	c, err := Parse("config.json", []byte(dos))
	want, _ := Parse("config.json", []byte(minimal))
	if err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, %v, expected %+v", c, err, want)
	}
	broken := strings.Replace(minimal, "\"project_name\"", "\"project_nam\"", 1)
	_, dosErr := Parse("config.json", []byte(strings.ReplaceAll(broken, "\n", "\r\n")))
	if _, err := Parse("config.json", []byte(broken)); err == nil || dosErr == nil || err.Error() != dosErr.Error() {
		t.Errorf("got %v, expected %v", dosErr, err)
	}
}

// Each case changes the minimal file in one way and must be refused at the very
// place of the change.
func TestParseProblems(t *testing.T) {
	cases := []struct {
		name, old, new string
		want           string
	}{
		{"unknown key", `"build_cmd"`, `"build_comd"`, `3:3: build_comd: unknown key, did you mean "build_cmd"?`},
		{"unknown nested key", `"src"`, `"source"`, `unknown key, did you mean "src"?`},
		{"far key lists the known", `"src"`, `"zzzzzzzz"`, "known here: src, dest, mode, layer"},
		{"wrong type", `"make"`, `["make"]`, "3:16: build_cmd: expected a string, got a list"},
		{"artifacts no list", "[\n    { \"src\": \"build/tool\", \"dest\": \"/app/tool\" }\n  ]", `"x"`, "4:16: artifacts: expected a list, got a string"},
		{"no artifacts", "\n    { \"src\": \"build/tool\", \"dest\": \"/app/tool\" }\n  ", ``, "must name at least one artifact"},
		{"missing key", `"build_cmd": "make",`, ``, "1:1: build_cmd: is missing"},
		{"empty name", `"tool",`, `"",`, "2:19: project_name: must not be empty"},
		{"blank in name", `"tool",`, `"my tool",`, `2:19: project_name: must not contain blanks, got "my tool"`},
		{"tab in name", `"tool",`, `"my\ttool",`, "must not contain blanks"},
		{"name as path", `"tool",`, `"../tool",`, "expected letters, digits"},
		{"empty build_cmd", `"make"`, `"  "`, "3:16: build_cmd: must not be empty"},
		{"relative dest", `"/app/tool"`, `"app/tool"`, `5:36: artifacts[0].dest: "app/tool" is relative`},
		{"climbing dest", `"/app/tool"`, `"/app/../etc"`, `has '..' in it`},
		{"root dest", `"/app/tool"`, `"/"`, "expected something below /"},
		{"absolute src", `"build/tool"`, `"/etc/passwd"`, `5:14: artifacts[0].src: "/etc/passwd" is absolute`},
		{"escaping src", `"build/tool"`, `"build/../../x"`, `"build/../../x" leads out`},
		{"empty src", `"build/tool"`, `" "`, "artifacts[0].src: must not be empty"},
		{"duplicate dest", `/tool" }`, `/tool" }, { "src": "b", "dest": "/app//tool" }`, "/app/tool is already the dest of artifacts[0].dest"},
		{"missing src", `"src": "build/tool", `, ``, "artifacts[0].src: is missing"},
		{"placeholder", `"build/tool"`, `"build/{archh}"`, "unknown placeholder {archh}"},
		{"duplicate key", `"build_cmd": "make"`, `"build_cmd": "make", "build_cmd": "true"`, `key "build_cmd" is a duplicate`},
		{"trailing comma", `"/app/tool" }`, `"/app/tool" },`, "6:3: invalid character ']'"},
		{"cut off", "\n  ]\n}", "", "ends too early"},
		{"text behind", "\n  ]\n}", "\n  ]\n} x", "7:3: "},
		{"second document", "\n  ]\n}", "\n  ]\n} {}", "7:3: "},
		{"bad version", `"build_cmd"`, `"version": "1.2", "build_cmd"`, "expected MAJOR.MINOR.PATCH"},
		{"bad platform", `"build_cmd"`, `"platforms": ["linux/amd46"], "build_cmd"`, `platform linux/amd46: unknown architecture "amd46", did you mean "amd64"?`},
		{"shape of a platform", `"build_cmd"`, `"platforms": ["linux"], "build_cmd"`, `platform "linux": expected OS/ARCH[/VARIANT]`},
		{"platform in another spelling", `"build_cmd"`, `"platforms": ["linux/arm64", "linux/arm64/v8"], "build_cmd"`, "duplicate platform linux/arm64/v8"},
		{"tags alike", `"build_cmd"`, `"lineages": [{"name": "a"}, {"name": "b", "suffix": "-b"}], "tags": "v{version}", "build_cmd"`, "the lineages a and b would both have the tag v0.0.0"},
		{"tag's shape", `"build_cmd"`, `"tags": "v/{version}", "build_cmd"`, `"v/0.0.0" is not a valid image tag`},
		{"versioning", `"build_cmd"`, `"versioning": "calver", "build_cmd"`, `expected "semver" or "any", got "calver"`},
		{"any version", `"build_cmd"`, `"version": "a/b", "versioning": "any", "build_cmd"`, "version \"a/b\": expected at most 100 letters"},
		{"variable", `"build_cmd"`, `"build_env": ["A B"], "build_cmd"`, "expected the name of an environment variable"},
		{"platform twice", `"build_cmd"`, `"platforms": ["linux/amd64", "linux/amd64"], "build_cmd"`, "duplicate platform linux/amd64"},
		{"lineage suffix clash", `"build_cmd"`, `"lineages": [{"name": "a"}, {"name": "b"}], "build_cmd"`, "same suffix"},
		{"named user", `"build_cmd"`, `"image": {"user": "root"}, "build_cmd"`, "expected numbers"},
		{"asset clash", `"build_cmd"`, `"asset": "x.tar.gz", "platforms": ["linux/amd64", "linux/arm64"], "build_cmd"`, "would both be called"},
		{"prefix with slash", `"build_cmd"`, `"extract": {"prefix": "a/b"}, "build_cmd"`, "expected one directory name"},
		{"mode", `"dest": "/app/tool"`, `"dest": "/app/tool", "mode": "rwx"`, "expected an octal mode"},
		{"null", `"make"`, `null`, "expected a string, got null"},
		{"not UTF-8", `"make"`, "\"m\xffke\"", "not valid UTF-8"},
		{"binary", `"dest": "/app/tool"`, `"dest": "/app/tool", "binary": "shared"`, `expected "static", "dynamic" or "any", got "shared"`},
		{"binary of extern_data", `"build_cmd"`, `"extern_data": [{"src": "a", "dest": "/a", "binary": "any"}], "build_cmd"`, "extern_data[0].binary: is for artifacts only"},
		{"absolute inputs", `"build_cmd"`, `"inputs": ["/etc/lock.json"], "build_cmd"`, `inputs[0]: "/etc/lock.json" is absolute`},
		{"inputs with placeholder", `"build_cmd"`, `"inputs": ["{arch}.json"], "build_cmd"`, "must not have placeholders"},
		{"inputs no list", `"build_cmd"`, `"inputs": "lock.json", "build_cmd"`, "expected a list"},
		{"many platforms", `"build_cmd"`, `"platforms": [` + strings.Repeat(`"linux/amd64", `, maxPlatforms) + `"linux/arm64"], "build_cmd"`, "platforms: expected at most 100, got 101"},
		{"many lineages", `"build_cmd"`, `"lineages": [` + strings.Repeat(`{"name": "a"}, `, maxLineages) + `{"name": "b"}], "build_cmd"`, "lineages: expected at most 100, got 101"},
		{"runners no object", `"build_cmd"`, `"runners": ["ubuntu"], "build_cmd"`, "runners: expected an object, got a list"},
		{"runner of a strange platform", `"build_cmd"`, `"runners": {"linux": "a"}, "build_cmd"`, `platform "linux": expected OS/ARCH[/VARIANT]`},
		{"runner's label", `"build_cmd"`, `"platforms": ["linux/amd64"], "runners": {"linux/amd64": "a $(b)"}, "build_cmd"`, "expected the label of a runner"},
		{"platform without runner", `"build_cmd"`, `"platforms": ["linux/amd64", "linux/arm64"], "runners": {"linux/amd64": "a"}, "build_cmd"`, "runners: linux/arm64 has none"},
		{"runner without platform", `"build_cmd"`, `"platforms": ["linux/amd64"], "runners": {"linux/amd64": "a", "linux/arm64": "b"}, "build_cmd"`, "linux/arm64 is not among the platforms"},
		{"runner in another spelling", `"build_cmd"`, `"platforms": ["linux/arm64"], "runners": {"linux/arm64": "a", "linux/arm64/v8": "b"}, "build_cmd"`, "duplicate platform linux/arm64"},
		{"epoch", `"build_cmd"`, `"epoch": 1.5, "build_cmd"`, "expected whole seconds"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(minimal, c.old, c.new, 1)
			if text == minimal {
				t.Fatal("the case changes nothing")
			}
			_, err := Parse("config.json", []byte(text))
			if err == nil {
				t.Fatalf("accepted:\n%s", text)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			var p *Problems
			if !errors.As(err, &p) || len(p.List) == 0 {
				t.Fatalf("%T is no *Problems", err)
			}
			for _, one := range p.List {
				if one.Line < 1 || one.Column < 1 {
					t.Errorf("no position in %v", one)
				}
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 10 * maxProblems {
		fmt.Fprintf(&b, "%q: 1,\n", fmt.Sprint("key", i))
	}
	_, err := Parse("c.json", []byte("{"+b.String()+`"project_name": 1}`))
	var p *Problems
	if !errors.As(err, &p) || len(p.List) != maxProblems {
		t.Errorf("expected %d problems, got %v", maxProblems, err)
	}
}

func TestParseReportsAllProblems(t *testing.T) {
	_, err := Parse("c.json", []byte("{\n \"project_name\": 1,\n \"build_cmd\": 2,\n \"artifacts\": 3\n}"))
	var p *Problems
	if !errors.As(err, &p) || len(p.List) != 3 {
		t.Fatalf("want three problems, got %v", err)
	}
	for i, want := range []int{2, 3, 4} {
		if p.List[i].Line != want {
			t.Errorf("problem %d on line %d, want %d", i, p.List[i].Line, want)
		}
	}
}

func TestSelect(t *testing.T) {
	c := &Config{
		Lineages:  []Lineage{{Name: "dlib20"}, {Name: "dlib19", Suffix: "-dlib19"}},
		Platforms: []Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm", Variant: "v7"}},
	}
	for _, tc := range []struct{ in, want string }{
		{"all", "dlib20/linux/amd64 dlib20/linux/arm/v7 dlib19/linux/amd64 dlib19/linux/arm/v7"},
		{"", "dlib20/linux/amd64 dlib20/linux/arm/v7 dlib19/linux/amd64 dlib19/linux/arm/v7"},
		{"dlib19", "dlib19/linux/amd64 dlib19/linux/arm/v7"},
		{"linux/arm/v7", "dlib20/linux/arm/v7 dlib19/linux/arm/v7"},
		{"dlib19/linux/arm/v7, dlib20/linux/amd64", "dlib20/linux/amd64 dlib19/linux/arm/v7"},
		{"dlib18", ""},
		{"dlib19,", ""},
		{"linux", ""},
	} {
		cells, err := c.Select(tc.in)
		if (err != nil) != (tc.want == "") {
			t.Errorf("Select(%q): %v", tc.in, err)
			continue
		}
		var names []string
		for _, cell := range cells {
			names = append(names, cell.String())
		}
		if got := strings.Join(names, " "); got != tc.want {
			t.Errorf("Select(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]Version{
		"1.2.3": "1.2.3", "v1.2.3": "1.2.3", "2.0.0-rc.1": "2.0.0-rc.1",
		"1.2": "", "1.2.3+meta": "", "01.2.3": "", "1.2.3-": "", "": "", "latest": "", "1.2.3/../x": "",
	} {
		got, err := ParseVersion(in)
		if (err != nil) != (want == "") || got != want {
			t.Errorf("ParseVersion(%q) = %q, %v", in, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	if own, err := os.ReadFile("../../config.json"); err == nil {
		f.Add(own)
	}
	f.Add([]byte(`{"a":[1,2,{"b":null}],"c":1e9}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f", data)
		if err != nil {
			return
		}
		for _, cell := range c.Cells() { // no placeholder may be left to panic on
			c.AssetName("1.0.0", cell)
			c.Prefix("1.0.0", cell)
			c.Labels("1.0.0", cell)
			for _, it := range append(c.Artifacts, c.ExternData...) {
				it.Source("1.0.0", cell)
			}
		}
		c.ExpectedIdentity("1.0.0")
	})
}

// A program must run where the configuration says it will, and only there.
func TestWantedBinary(t *testing.T) {
	for _, c := range []struct{ name, more, item, want string }{
		{"as r10edocker has it", ``, ``, BinaryAny},
		{"platforms", `"platforms": ["linux/amd64"],`, ``, BinaryStatic},
		{"platforms, any", `"platforms": ["linux/amd64"],`, `, "binary": "any"`, BinaryAny},
		{"platforms, dynamic", `"platforms": ["linux/amd64"],`, `, "binary": "dynamic"`, BinaryDynamic},
		{"static", ``, `, "binary": "static"`, BinaryStatic},
		{"entrypoint", `"image": {"entrypoint": ["/app/tool", "-v"]},`, ``, BinaryStatic},
		{"relative entrypoint", `"image": {"entrypoint": ["./tool"]},`, ``, BinaryStatic},
		{"entrypoint elsewhere", `"image": {"entrypoint": ["/app/toolbox"]},`, ``, BinaryAny},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf, err := Parse("c", []byte(`{"project_name": "p", "build_cmd": "make",`+c.more+
				`"artifacts": [{"src": "tool", "dest": "/app/tool"`+c.item+`}]}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := conf.WantedBinary(conf.Artifacts[0]); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
