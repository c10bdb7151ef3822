package hostile

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

// bzip2Zeros is 4.5 MB of zero bytes, xzZeros 2 MiB: streams can follow one another.
const (
	bzip2Zeros = "QlpoOTFBWSZTWb3EZuoAIm3BAMAAAACACCAAIKU0GY1KUQ2CpRDxdyRThQkL3EZuoA=="
	xzZeros    = "/Td6WFoAAAFpIt42AgAhAQwAAACPmEGc//8RAWxdAABv/f//o7f/Rz5IFXI5YVG4kijmo4YH+e7kHoLTL8U6PAFLsX7JiopNL6MN2X+m44wjEVPgWRjFdYrid/i2lH8MasDedElk4ulcU7IE2PdEDKtfDW1G6eXDdoi3llestk3haR1v+0uIEGxCy4g/XACP0E6vJiiUcR89jyThcJ6nI1/sKMuF0ZWYin4qkfIndfcZwAaYTZj92K/VkA/EJVP49ZE2MQWlsO5vwXBNRwzRkRGqrWAdus6xJxhcWYbpZlJYvul2rFnk5VsFCPnH2q38+1IrdM0eWyBC+d1TPfgpZAk7gMsqbN+1O/DEvS5fqg8+S2ZCkBMO/xCT+HF4WfgLzf+VKEYPqfx83vuaMC5WwI+F84OBwGXEJVP49ZE2MQWlsO5vwXBNRwzRkRGqrWAdus6xJxhcWYbpZlJYvul2rFnk5VsFCPnH2q38+1IrdM0eWyBC+d1TPfgpZAk7gMsqbN+1O/DEvEgn5liAAO0ABQAcpiTxAAAAfoeJjQABjwOAgIABZg37Kz4wDYsCAAAAAAFZWg=="
)

func decoded(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err) // a constant
	}
	return b
}

func gzipped(p []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one
	_, _ = z.Write(p)                                     // into memory
	_ = z.Close()
	return b.Bytes()
}

// zstdFrame is the header of a frame with a window of 2^log bytes and n blocks.
func zstdFrame(log int, blocks ...[]byte) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, byte((log - 10) << 3)}
	return append(b, bytes.Join(blocks, nil)...)
}

// rle is a block that repeats one byte n times (RFC 8878, 3.1.1.2).
func rle(n int, c byte, last bool) []byte {
	h := uint32(n)<<3 | 1<<1
	if last {
		h |= 1
	}
	b := binary.LittleEndian.AppendUint32(nil, h)
	return append(b[:3], c)
}

// plain is a block that is not compressed.
func plain(p []byte, last bool) []byte {
	h := uint32(len(p)) << 3
	if last {
		h |= 1
	}
	b := binary.LittleEndian.AppendUint32(nil, h)
	return append(b[:3:3], p...)
}

// compressedInputs are hostile in how they are compressed, as tarballs and layers.
func compressedInputs() []Input {
	small := stream(func(t *tarWriter) { t.dir("app/"); t.reg("app/a", []byte("hello")) })
	head := func(size int64) []byte { // of a file that the rest of the stream is
		var b bytes.Buffer
		(&tarWriter{&b}).head('0', "app/a", "", size)
		return b.Bytes()
	}
	named := func(flags byte, text string) []byte {
		z := gzipped(nil)
		return append(append(append([]byte{}, z[:3]...), append([]byte{flags, 0, 0, 0, 0, 0, 3}, text...)...), z[10:]...)
	}
	rles := func(n int) []byte { return bytes.Repeat(rle(128<<10, 0, false), n) }
	type kind struct {
		name        string
		data        func() []byte
		limit, says string
	}
	var out []Input
	for _, k := range []kind{
		{"gzip: 45,000 empty members", func() []byte { return append(bytes.Repeat(gzipped(nil), 43_000), small.gzip()...) }, "", ""},
		{"gzip: 20,000 members with a block each", func() []byte { return bytes.Repeat(gzipped(make([]byte, 512)), 20_000) }, "", ""},
		{"gzip: a name of 900 kB", func() []byte { return named(8, strings.Repeat("n", 900*kB)+"\x00") }, "", ""},
		{"gzip: 14 members with names of 64 kB", func() []byte {
			return append(bytes.Repeat(named(8, strings.Repeat("n", 65_000)+"\x00"), 14), small.gzip()...)
		}, "", ""},
		{"gzip: gzip 5 times", func() []byte {
			z := stream(func(t *tarWriter) { t.zeros("a", 600*mB) }).gzip()
			for range 4 {
				z = gzipped(z)
			}
			return z
		}, "", ""},
		{"zstd: a window of 2 GB", func() []byte { return zstdFrame(31, plain(small.tar(), true)) }, "", ""},
		{"zstd: a window of 128 MiB", func() []byte { return zstdFrame(27, plain(small.tar(), true)) }, "", ""},
		{"zstd: 300 frames with windows of 128 MiB", func() []byte {
			return append(bytes.Repeat(zstdFrame(27, rle(512, 0, true)), 300), zstdFrame(27, plain(small.tar(), true))...)
		}, "", ""},
		{"zstd: a window of 128 MiB, filled", func() []byte {
			return append(zstdFrame(27, plain(head(4<<30), false)), rles(240_000)...)
		}, "", ""},
		{"zstd: 30 GB of zero bytes in runs", func() []byte {
			return append(zstdFrame(17, plain(head(30<<30), false)), rles(240_000)...)
		}, "", ""},
		{"zstd: 120,000 skippable frames", func() []byte {
			return append(bytes.Repeat([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, 120_000), small.zstd()...)
		}, "", ""},
		{"zstd: 80,000 empty frames", func() []byte {
			return append(bytes.Repeat(zstdFrame(10, plain(nil, true)), 80_000), small.zstd()...)
		}, "", ""},
		{"zstd: 320,000 empty blocks", func() []byte {
			return zstdFrame(17, bytes.Repeat(plain(nil, false), 320_000), plain(small.tar(), true))
		}, "", ""},
		{"zstd: 190,000 empty files", func() []byte {
			return stream(func(t *tarWriter) {
				t.dir("app/")
				for i := range 190_000 {
					t.file(fmt.Sprintf("app/%07d", i))
				}
			}).zstd()
		}, "", ""},
		{"xz: 4 GB of zero bytes", func() []byte { return bytes.Repeat(decoded(xzZeros), 2200) }, "", ""},
		{"bzip2: 85 GB of zero bytes", func() []byte { return bytes.Repeat(decoded(bzip2Zeros), 19_000) }, "", ""},
		{"zip: 900 kB", func() []byte { return append([]byte("PK\x03\x04"), make([]byte, 900*kB)...) }, "", ""},
	} {
		out = append(out, Input{
			Name: k.name, Limit: k.limit, Says: k.says,
			Build: func(d *Dir) {
				z := k.data()
				d.File("x.tar.gz", z)
				d.image("image", layer{stored: z, diffID: digest(nil)})
				d.File("docker.tar.gz", z)
			},
			Calls: append([]string{"ls x.tar.gz", "diff x.tar.gz OURS/small.tar.gz", "diff x.tar.gz x.tar.gz", "verify x.tar.gz --platform linux/amd64 --image oci-layout:OURS/oci --offline", "ls docker-archive:docker.tar.gz", "ls oci-archive:docker.tar.gz"}, imageCalls...),
		})
	}
	// Every layer is small, and each may inflate to what one may.
	out = append(out, Input{
		Name: "zstd: 200 layers of 60 MB of zero bytes",
		Build: func(d *Dir) {
			var layers []layer
			for i := range 200 {
				name := fmt.Sprintf("app/%d", i)
				s := stream(func(t *tarWriter) { t.zeros(name, 60<<20) })
				var b bytes.Buffer
				(&tarWriter{&b}).head('0', name, "", 60<<20)
				layers = append(layers, s.layer(zstdFrame(17, plain(b.Bytes(), false), rles(480), plain(make([]byte, 1024), true))))
			}
			d.image("image", layers...)
		},
		Calls: imageCalls,
	})
	return out
}
