// Container builds the Dockerfile for real, without a daemon and without an
// image from anywhere, and compares what came out with what this machine builds.
//
//	go run ./tools/container image [--targets] [--cell dlib19/linux/amd64] [--out build/image]
//	go run ./tools/container stage --cell CELL DIR
//	go run ./tools/container relock-images [--from REGISTRY/PATH]
//
// image makes a Debian root file system with mmdebstrap from the machine's own
// package source, turns it and the machine's Go into two local images, builds
// the Dockerfile on them with buildah (chroot isolation), makes the image of the
// same cell with bin/releaser build, and compares /app of both entry by entry,
// byte by byte, and the image's configuration with config.json. Both read one copy
// of the sources. It leaves both images as OCI layouts in --out. State of buildah,
// the root file system and fetched inputs are kept in $XDG_CACHE_HOME/facerec/container.
//
// With --targets every named stage of the Dockerfile is built as well, and checked against
// what it is for: a program can be built on dlib and on go-face; facerec and releaser
// have the same bytes wherever they are.
//
// stage lays a cell's image out in a directory; the Dockerfile calls it.
//
// relock-images writes the digests that the tags of the Dockerfile's base images
// name now into inputs.lock.json and into the Dockerfile. It needs their registry,
// and nothing else here does.
//
// Exit codes: 0 both are the same · 1 could not do it · 2 usage · 3 something
// differs · 5 not checked, because buildah or mmdebstrap are not installed ·
// 130 interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"facerec/internal/release"
)

type usageError struct{ error }

var (
	errDiffers = errors.New("the Dockerfile's image is not what releaser builds")
	errSkipped = errors.New("skipped")
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil
	stop()
	os.Exit(code(err, interrupted))
}

func code(err error, interrupted bool) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintf(os.Stderr, "container: %v\n", err)
	var usage usageError
	switch {
	case interrupted:
		return 130
	case errors.As(err, &usage):
		return 2
	case errors.Is(err, errDiffers):
		return 3
	case errors.Is(err, errSkipped):
		return 5
	}
	return 1
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || (args[0] != "image" && args[0] != "stage" && args[0] != "relock-images") {
		return usageError{errors.New("expected a verb: image, relock-images, or stage --cell CELL DIR")}
	}
	if args[0] == "relock-images" {
		return relockImages(ctx, args[1:], os.Stdout, os.Stderr)
	}
	raw, err := os.ReadFile("config.json")
	if err != nil {
		return fmt.Errorf("run this in the repository's top directory: %w", err)
	}
	config, err := release.Parse("config.json", raw)
	if err != nil {
		return err
	}
	if args[0] == "stage" {
		return stage(config, args[1:], os.Stderr)
	}
	return image(ctx, config, args[1:])
}
