package hostile

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// stream writes a tar archive.
type stream func(*tarWriter)

// tarWriter writes what archive/tar would refuse to write.
type tarWriter struct {
	w io.Writer
}

func (t *tarWriter) raw(p []byte) { _, _ = t.w.Write(p) } // into memory, or a hash

// head writes one header block.
func (t *tarWriter) head(kind byte, name, link string, size int64) {
	var b [512]byte
	copy(b[:100], name)
	copy(b[100:], "0000755\x000000000\x000000000\x00")
	if size < 1<<33 {
		copy(b[124:], fmt.Sprintf("%011o\x00", size))
	} else {
		b[124] = 0x80
		binary.BigEndian.PutUint64(b[128:], uint64(size))
	}
	copy(b[136:], "00000000000\x00")
	copy(b[148:], "        ")
	b[156] = kind
	copy(b[157:257], link)
	copy(b[257:], "ustar\x0000")
	t.seal(&b)
	t.raw(b[:])
}

func (t *tarWriter) seal(b *[512]byte) {
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
}

func (t *tarWriter) body(p []byte) {
	t.raw(p)
	t.raw(make([]byte, (512-len(p)%512)%512))
}

// long writes an extended header: PAX records (x, g) or a GNU name (L, K).
func (t *tarWriter) long(kind byte, data string) {
	t.head(kind, "././@LongLink", "", int64(len(data)))
	t.body([]byte(data))
}

func (t *tarWriter) dir(name string)  { t.head('5', name, "", 0) }
func (t *tarWriter) file(name string) { t.head('0', name, "", 0) }
func (t *tarWriter) reg(name string, data []byte) {
	t.head('0', name, "", int64(len(data)))
	t.body(data)
}

// zeros writes a file of n zero bytes.
func (t *tarWriter) zeros(name string, n int64) {
	t.head('0', name, "", n)
	t.fill(n+(512-n%512)%512, nil)
}

// fill writes n bytes of a repeated pattern, zero bytes for none.
func (t *tarWriter) fill(n int64, pattern []byte) {
	piece := make([]byte, 1<<20)
	if len(pattern) > 0 {
		piece = bytes.Repeat(pattern, 1<<20/len(pattern)+1)
	}
	if m, ok := t.w.(*members); ok && n >= int64(len(piece)) {
		m.repeat(piece, int(n/int64(len(piece))))
		n %= int64(len(piece))
	}
	for n > 0 {
		k := min(n, int64(len(piece)))
		t.raw(piece[:k])
		n -= k
	}
}

// members writes a gzip file. What is repeated is compressed once, as a member of
// its own.
type members struct {
	b bytes.Buffer
	z *gzip.Writer
}

func (m *members) Write(p []byte) (int, error) {
	if m.z == nil {
		m.z, _ = gzip.NewWriterLevel(&m.b, gzip.BestCompression) // the level is one
	}
	return m.z.Write(p)
}

func (m *members) end() {
	if m.z != nil {
		_ = m.z.Close() // into memory
		m.z = nil
	}
}

func (m *members) repeat(p []byte, n int) {
	m.end()
	m.b.Write(bytes.Repeat(gzipped(p), n))
}

// record is one PAX record.
func record(key, value string) string {
	n := len(key) + len(value) + 3
	for {
		s := fmt.Sprintf("%d %s=%s\n", n, key, value)
		if len(s) == n {
			return s
		}
		n = len(s)
	}
}

// tarOf gives the bytes of an archive.
func (s stream) tar() []byte {
	var b bytes.Buffer
	s.to(&b)
	return b.Bytes()
}

func (s stream) to(w io.Writer) {
	t := &tarWriter{w}
	s(t)
	t.raw(make([]byte, 1024))
}

func (s stream) gzip() []byte {
	m := &members{}
	s.to(m)
	m.end()
	return m.b.Bytes()
}

func (s stream) zstd() []byte {
	var b bytes.Buffer
	z, _ := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1)) // the options are sound
	s.to(z)
	_ = z.Close() // into memory
	return b.Bytes()
}

// layer makes a layer of the archive.
func (s stream) layer(stored []byte) layer {
	h := sha256.New()
	s.to(h)
	return layer{stored: stored, diffID: fmt.Sprintf("sha256:%x", h.Sum(nil))}
}

const kB, mB = 1000, 1000 * 1000

// tarInputs are hostile archives, each as a tarball and as the layer of an image.
func tarInputs() []Input {
	long := strings.Repeat("a", 900*kB)
	deep := strings.Repeat("a/", 450*kB)
	type kind struct {
		name        string
		s           stream
		limit, says string
	}
	var out []Input
	for _, k := range []kind{
		{"tar: a name of 900 kB in PAX", func(t *tarWriter) { t.long('x', record("path", long)); t.file("a") }, "layer.maxName", "name or link"},
		{"tar: a name of 900 kB in GNU form", func(t *tarWriter) { t.long('L', long+"\x00"); t.file("a") }, "layer.maxName", "name or link"},
		{"tar: a link of 900 kB", func(t *tarWriter) { t.long('x', record("linkpath", long)); t.head('2', "a", "b", 0) }, "layer.maxName", "name or link"},
		{"tar: 700 names of 60 kB", func(t *tarWriter) {
			for i := range 700 {
				t.long('x', record("path", fmt.Sprintf("app/%d-%s", i, long[:60*kB])))
				t.file("a")
			}
		}, "", ""},
		{"tar: a path of depth 450,000", func(t *tarWriter) { t.long('x', record("path", deep)); t.dir("a") }, "layer.maxName", "name or link"},
		{"tar: 20,000 paths of depth 1,000", func(t *tarWriter) {
			for i := range 20_000 {
				t.long('x', record("path", fmt.Sprintf("app/%d/%s", i, deep[:1990])))
				t.file("a")
			}
		}, "", ""},
		{"tar: 400,000 empty entries of one name", func(t *tarWriter) {
			for range 400_000 {
				t.file("app/a")
			}
		}, "", ""},
		{"tar: 190,000 empty files", func(t *tarWriter) {
			t.dir("app/")
			for i := range 190_000 {
				t.file(fmt.Sprintf("app/%07d", i))
			}
		}, "", ""},
		{"tar: 190,000 directories", func(t *tarWriter) {
			for i := range 190_000 {
				t.dir(fmt.Sprintf("app/%d/%d/%d/", i/1000, i/30, i))
			}
		}, "", ""},
		{"tar: 900 attributes with names of 900 kB", func(t *tarWriter) {
			for i := range 900 {
				t.long('x', record("SCHILY.xattr.user."+long, "1"))
				t.file(fmt.Sprintf("app/%d", i))
			}
		}, "", ""},
		{"tar: 900 attributes of 900 kB", func(t *tarWriter) {
			for i := range 900 {
				t.long('x', record("SCHILY.xattr.user.a", long))
				t.file(fmt.Sprintf("app/%d", i))
			}
		}, "", ""},
		{"tar: 900 user names of 900 kB", func(t *tarWriter) {
			for i := range 900 {
				t.long('x', record("uname", long))
				t.file(fmt.Sprintf("app/%d", i))
			}
		}, "", ""},
		{"tar: 280 times 70,000 PAX records", func(t *tarWriter) {
			records := many(70_000, "", func(i int) string { return record(fmt.Sprintf("%x", i%1000), "1") })
			for i := range 280 {
				t.long('x', records)
				t.file(fmt.Sprintf("app/%d", i))
			}
		}, "", ""},
		{"tar: 200,000 PAX records", func(t *tarWriter) {
			for i := range 3 {
				t.long('x', many(70_000, "", func(i int) string { return record(fmt.Sprintf("%x", i), "1") }))
				t.file(fmt.Sprintf("app/%d", i))
			}
		}, "", ""},
		{"tar: 900 global headers of 900 kB", func(t *tarWriter) {
			for range 900 {
				t.long('g', record("comment", long))
			}
			t.file("app/a")
		}, "", ""},
		{"tar: a chain of 110,000 hard links", func(t *tarWriter) {
			t.dir("app/")
			t.file("app/0")
			for i := range 110_000 {
				t.head('1', fmt.Sprintf("app/%d", i+1), fmt.Sprintf("app/%d", i), 0)
			}
		}, "", ""},
		{"tar: a chain of 110,000 hard links, backwards", func(t *tarWriter) {
			t.dir("app/")
			t.file("app/999999")
			for i := range 110_000 {
				t.head('1', fmt.Sprintf("app/%06d", 999_998-i), fmt.Sprintf("app/%06d", 999_999-i), 0)
			}
		}, "", ""},
		{"tar: symbolic links that double at each step", func(t *tarWriter) {
			t.dir("app/0/")
			for i := range 60 {
				t.head('2', fmt.Sprintf("app/%d", i+1), fmt.Sprintf("/app/%d/../../app/%d", i, i), 0)
			}
			for i := range 100_000 {
				t.file(fmt.Sprintf("app/%d/%d", 1+i%60, i))
			}
		}, "", ""},
		{"tar: 100,000 names through 30 links each", func(t *tarWriter) {
			t.dir("app/0/")
			for i := range 30 {
				t.head('2', fmt.Sprintf("app/%d", i+1), fmt.Sprintf("%s%d", strings.Repeat("./", 40), i), 0)
			}
			for i := range 100_000 {
				t.file(fmt.Sprintf("app/30/%d", i))
			}
		}, "", ""},
		{"tar: 40,000 opaque whiteouts of 40,000 files", func(t *tarWriter) {
			for i := range 40_000 {
				t.file(fmt.Sprintf("app/%d", i))
			}
			for range 40_000 {
				t.file("app/.wh..wh..opq")
			}
		}, "", ""},
		{"tar: a sparse file of 8 EB", func(t *tarWriter) {
			t.long('x', record("GNU.sparse.major", "1")+record("GNU.sparse.minor", "0")+record("GNU.sparse.name", "app/a")+record("GNU.sparse.realsize", "9000000000000000000"))
			t.reg("app/GNUSparseFile.0/a", append([]byte("0\n"), make([]byte, 510)...))
		}, "", ""},
		{"tar: 900 sparse files of 1 GB", func(t *tarWriter) {
			for i := range 900 {
				t.long('x', record("GNU.sparse.major", "1")+record("GNU.sparse.minor", "0")+record("GNU.sparse.name", fmt.Sprintf("app/%d", i))+record("GNU.sparse.realsize", "1000000000"))
				t.reg("app/GNUSparseFile.0/a", append([]byte("0\n"), make([]byte, 510)...))
			}
		}, "", ""},
		{"tar: a sparse map of 900 kB", func(t *tarWriter) {
			pairs := many(90_000, ",", func(i int) string { return fmt.Sprintf("%d,0", i) })
			t.long('x', record("GNU.sparse.map", pairs)+record("GNU.sparse.numblocks", "90000")+record("GNU.sparse.size", "90000")+record("GNU.sparse.name", "app/a"))
			t.file("app/b")
		}, "", ""},
		{"tar: a file of 8 EB that ends at once", func(t *tarWriter) { t.head('0', "app/a", "", 1<<62); t.raw(make([]byte, 4096)) }, "", ""},
		{"tar: a file of 600 MB of zero bytes", func(t *tarWriter) { t.zeros("app/a", 600*mB) }, "", ""},
		{"tar: 600 files of 1 MB of zero bytes", func(t *tarWriter) {
			for i := range 600 {
				t.zeros(fmt.Sprintf("app/%d", i), mB)
			}
		}, "", ""},
		{"tar: 600 MB of zero blocks after the end", func(t *tarWriter) { t.file("app/a"); t.raw(make([]byte, 1024)); t.fill(600*mB, nil) }, "", ""},
		{"tar: 350 MB that look almost like paths", func(t *tarWriter) {
			t.head('0', "app/a", "", 350*mB)
			t.fill(350*mB, []byte("a/root/b a/tmp/c a/home/d "))
			t.raw(make([]byte, 512))
		}, "", ""},
		{"tar: 350 MB that look almost like keys", func(t *tarWriter) {
			t.head('0', "app/a", "", 350*mB)
			t.fill(350*mB, []byte("-----BEGIN AKIA ghp_ gho_ ghs_ "))
			t.raw(make([]byte, 512))
		}, "", ""},
	} {
		out = append(out, Input{
			Name: k.name, Limit: k.limit, Says: k.says,
			Build: func(d *Dir) {
				z := k.s.gzip()
				d.File("x.tar.gz", z)
				d.image("image", k.s.layer(z))
			},
			Calls: append([]string{"ls x.tar.gz", "diff x.tar.gz OURS/small.tar.gz", "diff x.tar.gz x.tar.gz", "verify x.tar.gz --platform linux/amd64 --image oci-layout:OURS/oci --offline"}, imageCalls...),
		})
	}
	return out
}

// imageCalls are the verbs that read images.
var imageCalls = []string{
	"ls oci-layout:image:1.0.0 --platform linux/amd64",
	"cp oci-layout:image:1.0.0:/app copied --platform linux/amd64",
	"check oci-layout:image:1.0.0 --config=",
	"--config OURS/config.json pack --image oci-layout:image --out dist",
	"diff oci-layout:image:1.0.0 OURS/small.tar.gz --platform linux/amd64",
}
