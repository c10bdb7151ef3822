package release

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func hexOf(s string) HexDigest { return HexDigest{DigestBytes([]byte(s))} }

func exampleRecord() Record {
	content := hexOf("content")
	cell := func(lineage, platform, asset string) RecordCell {
		p, err := ParsePlatform(platform)
		if err != nil {
			panic(err)
		}
		return RecordCell{
			Lineage: lineage, Platform: p, Asset: asset,
			Image:       "registry.example/acme/facerec:1.2.3",
			IndexDigest: DigestBytes([]byte("index")), ManifestDigest: DigestBytes([]byte(asset)),
			Path: "/app", Prefix: "facerec-1.2.3", Recipe: "gnu-gzip-6",
			TarSHA256: hexOf("tar"), TarSize: 10240, FileSHA256: hexOf("file"), FileSize: 300,
			Entries: []RecordEntry{
				{Name: ".", Type: EntryDir, Mode: 0o755},
				{Name: "a <b>", Type: EntryFile, Mode: 0o4755, Size: 7, SHA256: &content},
				{Name: "b\xff", Type: EntryHardlink, Mode: 0o644, Link: "a <b>"},
				{Name: "c", Type: EntrySymlink, Mode: 0o777, Link: "../elsewhere/\xfe"},
				{Name: "empty", Type: EntryFile, Mode: 0, Size: 0, SHA256: &content},
			},
		}
	}
	config := DigestBytes([]byte("config"))
	described := cell("dlib20", "linux/amd64", "facerec_1.2.3_linux_amd64.tar.gz")
	described.ConfigDigest, described.Layers = &config, []Digest{DigestBytes([]byte("layer 1")), DigestBytes([]byte("layer 2"))}
	return Record{
		Project: "facerec", Version: "1.2.3", Epoch: 1_700_000_000,
		Signer: &Signer{Identity: "https://github.com/acme/facerec/.github/workflows/release.yml@refs/tags/v1.2.3", Issuer: "https://token.actions.example"},
		Cells: []RecordCell{
			described,
			cell("dlib19", "linux/arm/v7", "facerec_1.2.3_linux_armv7-dlib19.tar.gz"),
			cell("dlib19", "linux/amd64", "facerec_1.2.3_linux_amd64-dlib19.tar.gz"),
		},
	}
}

func TestRecordGolden(t *testing.T) {
	got, err := exampleRecord().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "release.json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the form of release.json moved:\n%s", got)
	}
	back, err := ParseRecord(want)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.Marshal()
	if err != nil || !bytes.Equal(again, want) {
		t.Errorf("Marshal of what was parsed differs: %v", err)
	}
	if c, ok := back.Cell("dlib19/linux/arm/v7"); !ok || c.Entries[2].Name != "b\xff" || c.Entries[3].Link != "../elsewhere/\xfe" {
		t.Errorf("names that are not UTF-8 came back as %+v", c.Entries)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	good, err := exampleRecord().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"newer schema", "release/v1", "release/v2", "newer releaser"},
		{"many cells", `"cells": [`, `"cells": [` + strings.Repeat("{}, ", maxCells), "expected at most 10000 cells, got 100"},
		{"unknown field", `"epoch"`, `"epocx"`, "unknown field"},
		{"unknown entry field", `"mode": "4755"`, `"modes": "4755"`, "unknown field"},
		{"repeated field", `"epoch": 1700000000,`, `"epoch": 1700000000, "epoch": 1700000000,`, "line 5 is not spelled"},
		{"other case", `"epoch"`, `"Epoch"`, "line 5 is not spelled"},
		{"white space", `"epoch": `, `"epoch":  `, "line 5 is not spelled"},
		{"configuration without layers", `"layers": [`, `"layerz": [`, "unknown field"},
		{"no configuration", `"config_digest": "` + DigestBytes([]byte("config")).String() + "\",\n      ", "", "config_digest and layers: expected both or neither"},
		{"version with v", `"version": "1.2.3"`, `"version": "v1.2.3"`, `expected "1.2.3"`},
		{"asset with path", `"asset": "facerec_`, `"asset": "../facerec_`, "asset: "},
		{"asset twice", "linux_armv7-dlib19.tar.gz", "linux_amd64-dlib19.tar.gz", "belongs to dlib19/linux/amd64"},
		{"cell twice", `"linux/arm/v7"`, `"linux/amd64"`, "comes twice"},
		{"cells unsorted", `"lineage": "dlib20"`, `"lineage": "dlib18"`, "sorted by lineage"},
		{"platform", `"linux/arm/v7"`, `"linux"`, "expected OS/ARCH"},
		{"digest without sha256", `"index_digest": "sha256:`, `"index_digest": "`, "sha256:HEX"},
		{"relative path", `"/app"`, `"app"`, "clean absolute path"},
		{"dirty path", `"/app"`, `"/app/../etc"`, "clean absolute path"},
		{"entry escapes", `"name": "c"`, `"name": "../c"`, "name: expected"},
		{"entry absolute", `"name": "c"`, `"name": "/c"`, "name: expected"},
		{"entry twice", `"name": "c"`, `"name": "empty"`, "comes twice"},
		{"link missing", `"link": "a <b>"`, `"link": ""`, "link: expected"},
		{"file with link", `"type": "symlink"`, `"type": "file"`, "sha256: expected"},
		{"unknown type", `"type": "symlink"`, `"type": "fifo"`, "type: expected"},
		{"mode too big", `"mode": "4755"`, `"mode": "14755"`, "at most 7777"},
		{"mode spelled otherwise", `"mode": "4755"`, `"mode": "04755"`, "not spelled"},
		{"negative size", `"tar_size": 10240`, `"tar_size": -1`, "tar_size"},
		{"size as text", `"tar_size": 10240`, `"tar_size": "10240"`, "line 22"},
		{"trailing bytes", "]\n}\n", "]\n}\n\n", "not spelled"},
		{"two documents", "]\n}\n", "]\n}\n{}\n", "after top-level value"},
		{"cut short", "]\n}\n", "]\n", "unexpected end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := bytes.Replace(good, []byte(c.old), []byte(c.new), 1)
			if strings.HasPrefix(c.old, "]\n}") {
				bad = append(bytes.TrimSuffix(bytes.Clone(good), []byte(c.old)), c.new...)
			}
			if bytes.Equal(bad, good) {
				t.Fatalf("%q is not in the example", c.old)
			}
			_, err := ParseRecord(bad)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "release.json: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, c.want)
			}
		})
	}
}

func TestMarshalRefuses(t *testing.T) {
	r := exampleRecord()
	r.Cells[0].IndexDigest = Digest{}
	if _, err := r.Marshal(); err == nil || !strings.Contains(err.Error(), "index_digest") {
		t.Errorf("a record without an index digest: %v", err)
	}
	r = exampleRecord()
	r.Cells = nil
	if _, err := r.Marshal(); err == nil || !strings.Contains(err.Error(), "cells") {
		t.Errorf("a record without cells: %v", err)
	}
}

func FuzzParseRecord(f *testing.F) {
	good, err := exampleRecord().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"schema":"releaser.release/v1"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecord(data)
		if err != nil {
			return
		}
		again, err := r.Marshal()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("Marshal(ParseRecord(x)) is not x: %v", err)
		}
		if slow, err := decodeRecord(data); err != nil || !reflect.DeepEqual(slow, r) {
			t.Fatalf("encoding/json reads the record differently: %v", err)
		}
		checkSums(t, data, r)
	})
}

// checkSums checks that SumRecord, if it takes a record, says the same as with its
// entries.
func checkSums(t *testing.T, data []byte, want Record) (taken bool) {
	t.Helper()
	got, ok := SumRecord(bytes.NewReader(data))
	if !ok {
		return false
	}
	want.Cells = slices.Clone(want.Cells)
	for i := range want.Cells {
		want.Cells[i].sum, want.Cells[i].Entries = want.Cells[i].EntriesSum(), nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("without entries: got %+v, expected %+v", got, want)
	}
	return true
}

// TestReadRecord reads cells whose entries are those of the cell before, fewer,
// more, other ones and none, as encoding/json reads them, and keeps what is the
// same once.
func TestReadRecord(t *testing.T) {
	sum := hexOf("content")
	var all []RecordEntry
	for _, name := range []string{".", "a", "a/b", "a/c \"<&>\u2028", "a-b", "z", "\xff"} {
		e := RecordEntry{Name: name, Type: EntryFile, Mode: 0o644, Size: 7, SHA256: &sum}
		if name == "." || name == "a" {
			e = RecordEntry{Name: name, Type: EntryDir, Mode: 0o755}
		}
		all = append(all, e)
	}
	other := slices.Clone(all)
	other[2].Mode = 0o755
	lists := [][]RecordEntry{all, all, all[:4], all, other, slices.Delete(slices.Clone(all), 3, 4), all[:1], {}, all}
	r := exampleRecord()
	cell := r.Cells[1]
	r.Cells = nil
	for i, l := range lists {
		cell.Lineage, cell.Asset, cell.Entries = "line"+string(rune('a'+i)), "asset-"+string(rune('a'+i)), l
		r.Cells = append(r.Cells, cell)
	}
	data, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, ok := ReadRecord(iotest.OneByteReader(bytes.NewReader(data)))
	if !ok {
		t.Fatal("not read")
	}
	slow, err := decodeRecord(data)
	if err != nil || !reflect.DeepEqual(got, slow) {
		t.Fatalf("encoding/json reads the record differently: %v", err)
	}
	if again, err := got.Marshal(); err != nil || !bytes.Equal(again, data) {
		t.Errorf("written again it differs: %v", err)
	}
	if &got.Cells[1].Entries[0] != &got.Cells[0].Entries[0] || &got.Cells[2].Entries[0] != &got.Cells[0].Entries[0] {
		t.Error("the same entries are kept twice")
	}
	if got.Cells[4].Entries[3].SHA256 != got.Cells[0].Entries[3].SHA256 {
		t.Error("the same entry is kept twice")
	}
	if !checkSums(t, data, got) {
		t.Error("not read without entries")
	}
	for i := 0; i < len(data); i += 11 {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		fast, ok := ReadRecord(bytes.NewReader(bad))
		slow, err := decodeRecord(bad)
		if ok != (err == nil) || ok && !reflect.DeepEqual(fast, slow) {
			t.Fatalf("with byte %d changed: read %t, encoding/json: %v", i, ok, err)
		}
		if summed := checkSums(t, bad, fast); summed && !ok {
			t.Fatalf("with byte %d changed: read without entries only", i)
		}
	}
}

// TestSumRecord reads lists of more than one block: the same ones, others, and ones
// whose order or names are wrong where blocks meet.
func TestSumRecord(t *testing.T) {
	sum := hexOf("content")
	list := func(n int) []RecordEntry {
		all := []RecordEntry{{Name: ".", Type: EntryDir, Mode: 0o755}}
		for i := range n - 1 {
			all = append(all, RecordEntry{Name: fmt.Sprintf("file-%04d", i), Type: EntryFile, Mode: 0o644, Size: int64(i), SHA256: &sum})
		}
		return all
	}
	edited := func(at int, name string) []RecordEntry {
		l := list(3 * sumBlock)
		l[at].Name = name
		return l
	}
	swapped := func(a, b int) []RecordEntry { // blocks
		l := list(3 * sumBlock)
		for i := range sumBlock {
			l[a*sumBlock+i], l[b*sumBlock+i] = l[b*sumBlock+i], l[a*sumBlock+i]
		}
		return l
	}
	other := list(3 * sumBlock)
	other[sumBlock].Mode = 0o600
	for _, c := range []struct {
		name  string
		lists [][]RecordEntry
		taken bool
	}{
		{"none", [][]RecordEntry{{}}, true},
		{"the top alone", [][]RecordEntry{list(1)}, true},
		{"a block", [][]RecordEntry{list(sumBlock)}, true},
		{"a block and one", [][]RecordEntry{list(sumBlock + 1), list(sumBlock), list(sumBlock + 1)}, true},
		{"the same ones and another", [][]RecordEntry{list(3 * sumBlock), list(3 * sumBlock), other, list(2*sumBlock + 7)}, true},
		{"no top", [][]RecordEntry{list(9)[1:]}, false},
		{"an order that does not rise", [][]RecordEntry{edited(7, "z")}, false},
		{"the same across blocks", [][]RecordEntry{edited(sumBlock, fmt.Sprintf("file-%04d", sumBlock-2))}, false},
		{"blocks in another order", [][]RecordEntry{list(3 * sumBlock), swapped(1, 2)}, false},
		{"the top behind", [][]RecordEntry{list(3 * sumBlock), swapped(0, 2)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := exampleRecord()
			cell := r.Cells[1]
			r.Cells = nil
			for i, l := range c.lists {
				cell.Lineage, cell.Asset, cell.Entries = "line"+string(rune('a'+i)), "asset-"+string(rune('a'+i)), l
				r.Cells = append(r.Cells, cell)
			}
			data, err := r.Marshal()
			if err != nil {
				r.Schema = RecordSchema
				data = spelled(t, r) // which no record may have
			}
			full, ok := ReadRecord(bytes.NewReader(data))
			if ok != (err == nil) {
				t.Fatalf("read %t, written: %v", ok, err)
			}
			if taken := checkSums(t, data, full); taken != c.taken {
				t.Errorf("read without entries: %t, expected %t", taken, c.taken)
			}
			for i, a := range r.Cells {
				for k, b := range r.Cells {
					if same := a.EntriesSum() == b.EntriesSum(); same != reflect.DeepEqual(a.Entries, b.Entries) {
						t.Errorf("cells %d and %d: the same sum: %t", i, k, same)
					}
				}
			}
		})
	}
}

// spelled spells a record as Write does, whatever it says.
func spelled(t *testing.T, r Record) []byte {
	t.Helper()
	frame, err := r.frame()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Cells {
		var all []string
		for _, e := range c.Entries {
			all = append(all, string(e.append([]byte(entryIndent), "\n"+entryIndent)))
		}
		frame = bytes.Replace(frame, []byte(noEntries), []byte(openEntries+strings.Join(all, ",\n")+closeEntries), 1)
	}
	return frame
}

// TestSumEntries gives entries that differ in one field each another sum.
func TestSumEntries(t *testing.T) {
	sum, other := hexOf("content"), hexOf("other")
	seen := map[EntriesSum]string{}
	for _, l := range [][]RecordEntry{
		nil,
		{{}},
		{{}, {}},
		{{Name: "a"}},
		{{Type: "a"}},
		{{Link: "a"}},
		{{Name: "a", Link: "b"}},
		{{Name: "ab"}},
		{{Name: "a"}, {Name: "b"}},
		{{Name: "b"}, {Name: "a"}},
		{{Mode: 1}},
		{{Size: 1}},
		{{Size: -1}},
		{{SHA256: &sum}},
		{{SHA256: &other}},
	} {
		s := SumEntries(slices.Values(l))
		if before, twice := seen[s]; twice || s.Count != len(l) {
			t.Errorf("%+v: sum of %d, the same as %s", l, s.Count, before)
		}
		seen[s] = fmt.Sprintf("%+v", l)
	}
}
