package smoke

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"

	"facerec/internal/release"
	"facerec/internal/sbom"
	"facerec/internal/tarball"
)

// input is one piece of work: prepare makes what it works on, and what it returns
// is counted.
type input struct {
	name    string
	prepare func() (func() error, error)
}

// inputs are fixed: a change of one is a change of the baseline.
var inputs = []input{
	{"pack weights", packing(func() tarball.Tree { return files(1, weights(400_000)) })},
	{"pack text", packing(func() tarball.Tree { return files(1, words(400_000)) })},
	{"pack a program", packing(func() tarball.Tree { return files(1, records(400_000)) })},
	{"pack zeros", packing(func() tarball.Tree { return files(1, make([]byte, 1<<20)) })},
	{"pack 300 small files", packing(func() tarball.Tree { return files(300, words(180_000)) })},
	{"pack six cells", packSix},
	{"compare tar streams", compareFast},
	{"list an archive", listArchive},
	{"write and read release.json", writeAndReadRecord},
	{"write an SBOM", writeSBOM},
}

func generator() *rand.Rand { return rand.New(rand.NewPCG(7, 7)) }

func weights(n int) []byte {
	r := generator()
	out := make([]byte, 0, n+4)
	for len(out) < n {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(r.NormFloat64()*0.05)))
	}
	return out
}

func words(n int) []byte {
	r := generator()
	list := strings.Fields("image index manifest layer descriptor digest bundle trusted root identity lineage cell recipe embedding landmark the of and in to is a that for it as with on")
	out := make([]byte, 0, n+20)
	for len(out) < n {
		out = append(append(out, list[r.IntN(len(list))]...), ' ')
	}
	return out
}

// records are like a program's code and tables: short records that come again with
// small changes.
func records(n int) []byte {
	r := generator()
	kinds := make([][]byte, 200)
	for i := range kinds {
		kinds[i] = make([]byte, 3+r.IntN(14))
		for k := range kinds[i] {
			kinds[i][k] = byte(r.Uint32())
		}
	}
	out := make([]byte, 0, n+32)
	for len(out) < n {
		out = append(out, kinds[r.IntN(1+r.IntN(len(kinds)))]...)
		if r.IntN(3) == 0 {
			out = binary.LittleEndian.AppendUint32(out, r.Uint32N(1<<20))
		}
	}
	return out
}

// files cuts data into so many files.
func files(n int, data []byte) tarball.Tree {
	entries := []tarball.Entry{{Name: "data", Type: tarball.Dir, Mode: 0o755}}
	size := len(data) / n
	for i := range n {
		entries = append(entries, tarball.Entry{Name: fmt.Sprintf("data/file-%06d", i), Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent(data[i*size:][:size])})
	}
	tree, err := tarball.NewTree(entries)
	if err != nil {
		panic(err) // the entries are those above
	}
	return tree
}

func job(name string, tree tarball.Tree, out io.Writer) tarball.Job {
	return tarball.Job{Name: name, Tree: tree, Prefix: "set-" + name, Recipe: tarball.GNUGzip6, Out: out}
}

func pack(jobs ...tarball.Job) error {
	_, err := tarball.Pack(context.Background(), jobs, tarball.Options{Workers: 1})
	return err
}

func packing(tree func() tarball.Tree) func() (func() error, error) {
	return func() (func() error, error) {
		t := tree()
		return func() error { return pack(job("1.0.0", t, io.Discard)) }, nil
	}
}

func packSix() (func() error, error) {
	shared, err := files(1, weights(300_000)).Add(tarball.Entry{Name: "tool", Type: tarball.Regular, Mode: 0o755, Content: tarball.BytesContent(records(30_000))})
	if err != nil {
		return nil, err
	}
	var jobs []tarball.Job
	for i := range 6 {
		t, err := shared.Add(tarball.Entry{Name: "cell", Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent([]byte{byte(i)})})
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job(fmt.Sprint(i), t, io.Discard))
	}
	return func() error { return pack(jobs...) }, nil
}

// archive is a tree and what it is packed into.
func archive() (tarball.Tree, []byte, error) {
	tree := files(100, append(words(200_000), weights(200_000)...))
	var file bytes.Buffer
	err := pack(job("1.0.0", tree, &file))
	return tree, file.Bytes(), err
}

func compareFast() (func() error, error) {
	tree, file, err := archive()
	if err != nil {
		return nil, err
	}
	compare := tarball.CompareJob{Name: "1.0.0", Tree: tree, Prefix: "set-1.0.0", Recipe: tarball.GNUGzip6, Have: bytes.NewReader(file), Size: int64(len(file))}
	return func() error {
		v, err := tarball.CompareFast(context.Background(), []tarball.CompareJob{compare}, tarball.Options{Workers: 1}, tarball.DefaultLimits())
		if err == nil && v[0].Grade != tarball.SameTar {
			err = fmt.Errorf("grade %v", v[0].Grade)
		}
		return err
	}, nil
}

func listArchive() (func() error, error) {
	_, file, err := archive()
	if err != nil {
		return nil, err
	}
	return func() error {
		l, err := tarball.List(bytes.NewReader(file), tarball.DefaultLimits())
		if err == nil && len(l.Entries) != 102 {
			err = fmt.Errorf("%d entries", len(l.Entries))
		}
		return err
	}, nil
}

// record is a release of three cells of so many files.
func record(n int) (release.Record, error) {
	sum := release.DigestBytes([]byte("x"))
	r := release.Record{Project: "set", Version: "1.0.0"}
	for _, platform := range []string{"linux/amd64", "linux/arm/v7", "linux/arm64"} {
		p, err := release.ParsePlatform(platform)
		if err != nil {
			return r, err
		}
		c := release.RecordCell{
			Lineage: "line", Platform: p, Asset: "set_" + p.AssetArch() + ".tar.gz", Image: "127.0.0.1:5000/set:1.0.0", IndexDigest: sum, ManifestDigest: sum,
			Path: "/app", Prefix: "set-1.0.0", Recipe: release.DefaultRecipe,
			TarSHA256: release.HexDigest{Digest: sum}, TarSize: 1, FileSHA256: release.HexDigest{Digest: sum}, FileSize: 1,
			Entries: []release.RecordEntry{{Name: ".", Type: release.EntryDir, Mode: 0o755}},
		}
		for i := range n {
			c.Entries = append(c.Entries, release.RecordEntry{Name: fmt.Sprintf("file-%06d", i), Type: release.EntryFile, Mode: 0o644, Size: int64(i), SHA256: &release.HexDigest{Digest: sum}})
		}
		r.Cells = append(r.Cells, c)
	}
	return r, nil
}

func writeAndReadRecord() (func() error, error) {
	r, err := record(3000)
	if err != nil {
		return nil, err
	}
	return func() error {
		data, err := r.Marshal()
		if err != nil {
			return err
		}
		_, err = release.ParseRecord(data)
		return err
	}, nil
}

func writeSBOM() (func() error, error) {
	config, err := release.Parse("config.json", []byte(`{"project_name": "set", "version": "1.0.0", "build_cmd": "true",
		"artifacts": [{"src": "tool", "dest": "/app/tool"}], "platforms": ["linux/amd64", "linux/arm64", "linux/arm/v7"]}`))
	if err != nil {
		return nil, err
	}
	r, err := record(1)
	if err != nil {
		return nil, err
	}
	s := sbom.Subject{Config: config, Version: "1.0.0", Cell: config.Cells()[0], Record: r.Cells[0], Tree: files(3000, words(300_000))}
	return func() error { return sbom.Write(io.Discard, s) }, nil
}
