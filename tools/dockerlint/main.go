// Dockerlint runs BuildKit's own Dockerfile linter, the checks of
// `docker build --check`, without BuildKit, a daemon or a registry.
//
//	dockerlint FILE…
//
// A finding is one line: FILE:LINE: RULE: what is wrong. What base images say of
// themselves is not looked up. Exit codes: 0 nothing found · 1 could not do it,
// a syntax error included · 2 usage · 3 something found.
//
// It is a module of its own so that BuildKit's many dependencies stay out of
// the programs' go.mod.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// resolver answers for every base image with an empty Linux image: no network.
type resolver struct{}

func (resolver) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config := []byte(`{"architecture":"amd64","os":"linux"}`)
	return ref, digest.FromBytes(config), config, nil
}

func main() { os.Exit(run(context.Background(), os.Args[1:])) }

func run(ctx context.Context, files []string) int {
	if len(files) == 0 {
		fmt.Fprintln(os.Stderr, "dockerlint: expected at least one Dockerfile")
		return 2
	}
	code := 0
	for _, file := range files {
		n, err := lint(ctx, file)
		if err != nil {
			fmt.Fprintf(os.Stderr, "dockerlint: %s: %v\n", file, err)
			return 1
		}
		if n > 0 {
			code = 3
		}
	}
	return code
}

// lint prints what is found in one file and returns how much.
func lint(ctx context.Context, file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	source := llb.NewSourceMap(nil, file, "Dockerfile", text)
	source.Definition = &llb.Definition{}
	platform := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	results, err := dockerfile2llb.DockerfileLint(ctx, text, dockerfile2llb.ConvertOpt{
		TargetPlatform: &platform, MetaResolver: resolver{}, SourceMap: source,
	})
	if err != nil {
		return 0, err
	}
	if results.Error != nil {
		return 0, fmt.Errorf("%s", results.Error.Message)
	}
	for _, w := range results.Warnings {
		fmt.Printf("%s:%d: %s: %s\n", file, line(w.Location), w.RuleName, w.Detail)
	}
	return len(results.Warnings), nil
}

func line(at *pb.Location) int32 {
	if at == nil || len(at.Ranges) == 0 {
		return 0
	}
	return at.Ranges[0].Start.Line
}
