package hostile

import (
	"bytes"
	"fmt"
	"strings"
)

// gnu writes a file as kits have it; other headers are refused before a kit is read.
func (t *tarWriter) gnu(name string, data []byte) {
	var b [512]byte
	copy(b[:100], name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x00", len(data)))
	copy(b[136:], "00000000000\x00")
	copy(b[148:], "        ")
	b[156] = '0'
	copy(b[257:], "ustar  \x00")
	t.seal(&b)
	t.raw(b[:])
	t.body(data)
}

// kitInputs are files that want to be kits.
func kitInputs() []Input {
	kit := func(name string, write func(*tarWriter), limit, says string) Input {
		return Input{
			Name: name, Limit: limit, Says: says,
			Build: func(d *Dir) {
				var b bytes.Buffer
				w := &tarWriter{&b}
				write(w)
				w.raw(make([]byte, 1024))
				w.raw(make([]byte, (10240-b.Len()%10240)%10240))
				d.File("x.kit", b.Bytes())
			},
			Calls: []string{
				"verify x.kit --key OURS/k.pub --unsafe-no-transparency-log",
				"kit ls x.kit", "kit extract x.kit out", "kit add x.kit a.rebuild.sigstore.json -o y.kit", "ls x.kit",
			},
		}
	}
	return []Input{
		kit("kit: kit.json with 450,000 values", func(w *tarWriter) {
			w.gnu("kit.json", []byte(`{"schema":"releaser.kit/v1","files":[`+strings.Repeat("1,", 449_999)+"1]}"))
		}, "", ""),
		kit("kit: kit.json nested 450,000 deep", func(w *tarWriter) {
			w.gnu("kit.json", []byte(strings.Repeat("[", 450_000)+strings.Repeat("]", 450_000)))
		}, "internal/kit.maxDepth", "JSON is nested more than 10 levels deep"),
		kit("kit: kit.json with 4,500 missing files", func(w *tarWriter) {
			w.gnu("kit.json", []byte("{\n  \"schema\": \"releaser.kit/v1\",\n  \"releases\": [],\n  \"files\": [\n"+
				many(4_500, ",\n", numbered("    {\n      \"name\": \"%d\",\n      \"role\": \"\",\n      \"size\": 0,\n      \"sha256\": \""+strings.Repeat("0", 64)+"\"\n    }"))+"\n  ]\n}\n"))
		}, "", ""),
		kit("kit: 1,900 empty files", func(w *tarWriter) {
			for i := range 1900 {
				w.gnu(fmt.Sprintf("%04d", i), nil)
			}
		}, "", ""),
		kit("kit: kit.json of 8 GB", func(w *tarWriter) { w.head('0', "kit.json", "", 8<<30-1) }, "", ""),
	}
}
