package house

import (
	"errors"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// limitRow is a row of the tables of limits: `PACKAGE.NAME`, the value, what it is.
var limitRow = regexp.MustCompile("(?m)^\\| `([a-z/]+)\\.([A-Za-z]+)` \\| ([0-9,]+)( [a-zA-Z]+)? \\| (.+) \\|$")

// units are those of the values in the tables.
var units = map[string]int64{"": 1, " KiB": 1 << 10, " MiB": 1 << 20, " GiB": 1 << 30}

// TestLimitsAreAsDocumented holds the values in docs/security.md against the code.
func TestLimitsAreAsDocumented(t *testing.T) {
	doc, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := limitRow.FindAllStringSubmatch(string(doc), -1)
	if len(rows) < 40 {
		t.Fatalf("%d limits are documented, expected at least 40", len(rows))
	}
	packages := map[string]*types.Package{}
	for _, row := range rows {
		dir, name := row[1], row[2]
		if packages[dir] == nil {
			packages[dir] = constantsOf(t, dir)
		}
		factor, known := units[row[4]]
		want := constant.MakeInt64(0)
		if n := constant.MakeFromLiteral(strings.ReplaceAll(row[3], ",", ""), token.INT, 0); known {
			want = constant.BinaryOp(n, token.MUL, constant.MakeInt64(factor))
		}
		c, ok := packages[dir].Scope().Lookup(name).(*types.Const)
		switch {
		case !known:
			t.Errorf("%s.%s: the unit%s is not known", dir, name, row[4])
		case !ok:
			t.Errorf("%s.%s is documented, and no constant", dir, name)
		case !constant.Compare(constant.ToInt(c.Val()), token.EQL, want):
			t.Errorf("%s.%s is %s, documented as %s", dir, name, c.Val(), want)
		}
	}
}

// constantsOf reads the declarations of a package. What it imports is left out, so
// that nothing has to be built: constants do not need it.
func constantsOf(t *testing.T, dir string) *types.Package {
	t.Helper()
	names, err := filepath.Glob(dir + "/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no files (%v)", dir, err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	conf := types.Config{IgnoreFuncBodies: true, Importer: noImports{}, Error: func(error) {}}
	p, _ := conf.Check(dir, fset, files, nil) // the errors are about imports
	return p
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("left out") }
