//go:build unix

package smoke

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/oci/ocitest"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// BenchmarkLimit measures what each file of a release costs besides its bytes, what a
// bundle costs, and the start of the program, in CPU time: with these figures, and
// those of internal/tarball's benchmark of the same name, docs/performance.md tells
// how far the programs are from what their own steps cost. Run it with -bench Limit
// -benchtime 1s; the best of several counts.
func BenchmarkLimit(b *testing.B) {
	step := func(name string, who, items int, unit string, prepare func() (func() error, error)) {
		b.Run(name, func(b *testing.B) {
			run, err := prepare()
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			start := cpuTime(b, who)
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64((cpuTime(b, who)-start).Microseconds())/float64(n*items), unit)
		})
	}
	const files = 10_000
	step("layer", syscall.RUSAGE_SELF, files, "us/file", func() (func() error, error) { return readLayer(b, files) })
	step("release.json, written and read", syscall.RUSAGE_SELF, 3*3000, "us/file", writeAndReadRecord)
	step("SBOM", syscall.RUSAGE_SELF, 3000, "us/file", writeSBOM)
	step("bundle of a key", syscall.RUSAGE_SELF, 1, "us/bundle", func() (func() error, error) { return checkBundle(b) })
	const program = "../../../../bin/releaser"
	if _, err := os.Stat(program); err == nil {
		step("start", syscall.RUSAGE_CHILDREN, 1, "us/start", func() (func() error, error) {
			return func() error { return exec.Command(program, "verify-blob", "--help").Run() }, nil
		})
	}
}

func cpuTime(b *testing.B, who int) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// readLayer takes a layer of small files apart, into a spool and a tree.
func readLayer(b *testing.B, n int) (func() error, error) {
	list := []ocitest.File{ocitest.Dir("app", 0o755)}
	for i := range n {
		dir := fmt.Sprintf("app/%03d", i/50)
		if i%50 == 0 {
			list = append(list, ocitest.Dir(dir, 0o755))
		}
		list = append(list, ocitest.Reg(fmt.Sprintf("%s/file-%06d.txt", dir, i), string(bytes.Repeat(fmt.Appendf(nil, "file %06d ", i), i%100))))
	}
	dir := b.TempDir()
	ocitest.SaveLayout(b, dir, "x", ocitest.Index(map[string]v1.Image{"linux/amd64": ocitest.Image(b, ocitest.AMD64, list)}))
	index, err := oci.ReadIndex(b.Context(), oci.Ref{Kind: oci.Layout, Name: dir}, oci.Access{})
	if err != nil {
		return nil, err
	}
	images, err := index.Images(b.Context())
	if err != nil {
		return nil, err
	}
	return func() error {
		flat, err := layer.NewUnpacker(ocitest.Spool(b), layer.Limits{}).Flatten(b.Context(), images[0], "/app")
		if err == nil && flat.Tree.Len() != n+n/50 {
			err = fmt.Errorf("%d entries", flat.Tree.Len())
		}
		return err
	}, nil
}

// checkBundle verifies what a key has signed.
func checkBundle(b *testing.B) (func() error, error) {
	key, err := sign.GenerateKey()
	if err != nil {
		return nil, err
	}
	public, err := verify.ParsePublicKey(key.PublicPEM())
	if err != nil {
		return nil, err
	}
	p := verify.Policy{Key: public, UnsafeNoTransparencyLog: true}
	data := []byte(release.DigestBytes(nil).Hex() + "  a.tar.gz\n")
	check := func(bundle, data []byte) error {
		_, err := verify.Blob(bundle, verify.Data(bytes.NewReader(data)), p)
		return err
	}
	bundle, err := sign.Checksums(b.Context(), data, sign.Signer{Key: key}, check)
	if err != nil {
		return nil, err
	}
	return func() error { return check(bundle, data) }, nil
}
