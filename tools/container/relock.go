package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/inputs"
	"facerec/internal/oci"
	"facerec/internal/release"
)

// builders are the platforms that a builder may run on: each base image must exist
// for all of them.
var builders = []string{"linux/amd64", "linux/arm64"}

// wantedImages are the Dockerfile's bases: the suite whose compilers are pinned, and
// the Go that is.
func wantedImages(l *inputs.Lock) []inputs.Image {
	return []inputs.Image{
		{Arg: "BASE", Name: "debian:" + suite + "-slim"},
		{Arg: "GO", Name: "golang:" + strings.TrimPrefix(l.Go, "go") + "-" + suite},
	}
}

// relockImages asks the registry what the tags of the base images name now, and
// writes the digests into the lock and into the Dockerfile's defaults. Nothing is
// written unless all of them were resolved.
func relockImages(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("container relock-images", flag.ContinueOnError)
	flags.SetOutput(stderr)
	from := flags.String("from", "", "`REGISTRY/PATH` that has the images (default: where engines look for a bare name)")
	lockPath := flags.String("lock", "inputs.lock.json", "lock `FILE`")
	dockerfile := flags.String("dockerfile", "Dockerfile", "Dockerfile `FILE`")
	if err := flags.Parse(args); err != nil {
		return usageError{err}
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("relock-images: unexpected %q", flags.Arg(0))}
	}
	lock, err := inputs.ReadLock(*lockPath)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(*dockerfile)
	if err != nil {
		return err
	}
	was := map[string]string{}
	for _, i := range lock.Images {
		was[i.Arg] = i.Reference()
	}
	lock.Images = wantedImages(lock)
	for n, i := range lock.Images {
		digest, err := resolve(ctx, *from, i.Name)
		if err != nil {
			return fmt.Errorf("%s: %w", i.Name, err)
		}
		i.Digest = digest.String()
		lock.Images[n] = i
		if text, err = setDefault(text, i); err != nil {
			return fmt.Errorf("%s: %w", *dockerfile, err)
		}
	}
	if err := atomicfile.WriteBytes(*dockerfile, 0o644, text); err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(*lockPath, 0o644, lock.Format()); err != nil {
		return err
	}
	for _, i := range lock.Images {
		mark := "  "
		if was[i.Arg] != i.Reference() {
			mark = "~ "
			fmt.Fprintf(stdout, "- %s\n", was[i.Arg])
		}
		fmt.Fprintf(stdout, "%s%s\n", mark, i.Reference())
	}
	return nil
}

// resolve gives the digest of the index that a name's tag stands for.
func resolve(ctx context.Context, from, name string) (release.Digest, error) {
	ref, err := oci.ParseImageName(name)
	if from != "" {
		ref, err = oci.ParseRef(strings.TrimSuffix(from, "/") + "/" + name)
	}
	if err != nil {
		return release.Digest{}, usageError{err}
	}
	index, err := oci.ReadIndex(ctx, ref, oci.Access{UserAgent: "facerec-container"}.Naming(ref))
	if err != nil {
		return release.Digest{}, err
	}
	if index.Single {
		return release.Digest{}, fmt.Errorf("expected an index, got one manifest, %s", index.Digest)
	}
	for _, platform := range builders {
		p, err := release.ParsePlatform(platform)
		if err == nil {
			_, err = index.Offers(p)
		}
		if err != nil {
			return release.Digest{}, err
		}
	}
	return index.Digest, nil
}

// setDefault gives an argument of the Dockerfile its default.
func setDefault(text []byte, i inputs.Image) ([]byte, error) {
	line := regexp.MustCompile(`(?m)^ARG ` + regexp.QuoteMeta(i.Arg) + `=.*$`)
	if n := len(line.FindAll(text, -1)); n != 1 {
		return nil, fmt.Errorf("expected one line ARG %s=NAME, got %d", i.Arg, n)
	}
	return line.ReplaceAllLiteral(text, []byte("ARG "+i.Arg+"="+i.Reference())), nil
}
