package layer_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
)

// describeDisk prints a folder in the form of describe.
func describeDisk(t testing.TB, root string) string {
	t.Helper()
	var b strings.Builder
	first := map[uint64]string{}
	var walk func(rel string)
	walk = func(rel string) {
		full := filepath.Join(root, rel)
		fi, err := os.Lstat(full)
		if err != nil {
			t.Fatal(err)
		}
		st := fi.Sys().(*syscall.Stat_t)
		mode := st.Mode & 0o7777
		switch {
		case fi.IsDir():
			if rel == "." {
				fmt.Fprintf(&b, ". %04o\n", mode)
			} else {
				fmt.Fprintf(&b, "%s dir %04o\n", rel, mode)
			}
			list, err := os.ReadDir(full)
			if err != nil {
				t.Fatal(err)
			}
			sort.Slice(list, func(i, j int) bool { return list[i].Name() < list[j].Name() })
			for _, e := range list {
				walk(filepath.Join(rel, e.Name()))
			}
			return
		case fi.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(full)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s -> %s\n", rel, to)
			return
		}
		if name, again := first[st.Ino]; again {
			fmt.Fprintf(&b, "%s = %s\n", rel, name)
			return
		}
		first[st.Ino] = rel
		body, err := os.ReadFile(full)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %04o %q\n", rel, mode, body)
	}
	walk(".")
	return b.String()
}
