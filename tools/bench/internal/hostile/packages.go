package hostile

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// debOf is a .deb of members, each "NAME\x00CONTENT".
func debOf(members ...string) []byte {
	b := []byte("!<arch>\n")
	for _, m := range append([]string{"debian-binary\x002.0\n"}, members...) {
		name, content, _ := strings.Cut(m, "\x00")
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", name, 0, 0, 0, "100644", len(content), content)
		if len(content)%2 == 1 {
			b = append(b, '\n')
		}
	}
	return b
}

// fileTar is a tar archive of one file.
func fileTar(name string, content []byte) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}) // into memory
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

// rpmTag is an index entry of a header.
type rpmTag struct{ tag, kind, offset, count uint32 }

// rpmOf is an .rpm with an empty signature, a header and a payload.
func rpmOf(tags []rpmTag, store, payload []byte) []byte {
	b := append([]byte("\xed\xab\xee\xdb"), make([]byte, 92)...)
	header := func(tags []rpmTag, store []byte) {
		b = append(b, "\x8e\xad\xe8\x01\x00\x00\x00\x00"...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(tags)))
		b = binary.BigEndian.AppendUint32(b, uint32(len(store)))
		for _, t := range tags {
			for _, v := range []uint32{t.tag, t.kind, t.offset, t.count} {
				b = binary.BigEndian.AppendUint32(b, v)
			}
		}
		b = append(b, store...)
	}
	header(nil, nil)
	header(tags, store)
	return append(b, payload...)
}

// cpioFile is a header of the newc form with its name.
func cpioFile(name string, size int) []byte {
	b := fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00", 1, 0o100644, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0, name)
	return append(b, make([]byte, -len(b)&3)...)
}

// packageInputs are hostile system packages.
func packageInputs() []Input {
	small := string(gzipped(fileTar("usr/x", []byte("x"))))
	control := func(content []byte) string {
		return "control.tar.gz\x00" + string(gzipped(fileTar("control", content)))
	}
	names := func() []byte { // one long directory and many files in it
		dir := "/" + strings.Repeat("d", 60*kB) + "/\x00"
		const n = 60_000
		store := slices.Concat([]byte(dir), bytes.Repeat([]byte("f\x00"), n))
		store = append(store, make([]byte, -len(store)&3)...)
		at := uint32(len(store))
		store = append(store, make([]byte, 4*n)...)
		return rpmOf([]rpmTag{{1118, 8, 0, 1}, {1117, 8, uint32(len(dir)), n}, {1116, 4, at, n}}, store, nil)
	}
	var out []Input
	for _, k := range []struct {
		name, limit, says string
		data              func() []byte
	}{
		{"deb: 80 million empty lines of metadata", "internal/packages.freeControl", "bytes of tar for the first", func() []byte { return debOf(control(bytes.Repeat([]byte("\n"), 80*mB)), "data.tar.gz\x00"+small) }},
		{"deb: 90,000 lines of metadata", "", "", func() []byte {
			return debOf(control([]byte(many(90_000, "", numbered("%x:\n")))), "data.tar.gz\x00"+small)
		}},
		{"deb: 15,000 members", "internal/packages.maxMembers", "expected at most 100 members", func() []byte { return debOf(slices.Repeat([]string{"x\x00"}, 15_000)...) }},
		{"deb: data of 600 MB of zero bytes", "", "", func() []byte { return debOf(control(nil), "data.tar.gz\x00"+string(gzipped(make([]byte, 600*mB)))) }},
		{"rpm: 2,000 tags that are one text of 900 kB", "", "", func() []byte {
			tags := make([]rpmTag, 2000)
			for i := range tags {
				tags[i] = rpmTag{uint32(6000 + i), 6, 0, 1}
			}
			return rpmOf(tags, append(bytes.Repeat([]byte("x"), 900*kB), 0), nil)
		}},
		{"rpm: a tag of 4 billion values", "internal/packages.rpmMaxValues", "expected at most 2097152 values", func() []byte { return rpmOf([]rpmTag{{6000, 0, 0, 1<<32 - 1}}, make([]byte, 900*kB), nil) }},
		{"rpm: a tag of 900,000 empty texts", "", "", func() []byte { return rpmOf([]rpmTag{{6000, 8, 0, 900_000}}, make([]byte, 900*kB), nil) }},
		{"rpm: 60,000 files in a directory with a name of 60 kB", "internal/packages.rpmFreeNames", "bytes of names", names},
		{"rpm: a payload of 600 MB of zero bytes", "", "", func() []byte {
			return rpmOf(nil, nil, gzipped(append(cpioFile("./x", 599*mB), make([]byte, 600*mB)...)))
		}},
		{"rpm: a payload of 2 million empty files", "", "", func() []byte {
			return rpmOf(nil, nil, gzipped(bytes.Repeat(cpioFile("./x", 0), 2_000_000)))
		}},
		{"apk: 500 signatures", "internal/packages.maxSegments", "within 10 gzip members", func() []byte {
			return bytes.Repeat(gzipped(fileTar(".SIGN.RSA.x", []byte("x"))), 500)
		}},
		{"apk: metadata of 600 MB", "internal/packages.maxControl", "bytes of metadata", func() []byte {
			return gzipped(fileTar(".PKGINFO", make([]byte, 600*mB)))
		}},
	} {
		out = append(out, Input{Name: k.name, Limit: k.limit, Says: k.says, Calls: []string{"ls x.pkg", "ls x.pkg --json", "diff x.pkg x.pkg"},
			Build: func(d *Dir) { d.File("x.pkg", k.data()) }})
	}
	return out
}
