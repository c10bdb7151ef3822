// Bench measures facerec and releaser as whole processes and prints tables.
//
//	go run ./tools/bench [chain]  [-n 3] [-cells dlib19/linux/amd64]
//	go run ./tools/bench archive  [-n 3] [-weights 100] [-lineages 2] [-small 100000] [-dir DIR] [-sets cells,small,small-six]
//	go run ./tools/bench archive  -scaling
//	go run ./tools/bench verify   [-n 3] [-blobs 7] [-cells 6] [-weights 100] [-dir DIR]
//	go run ./tools/bench list     [-n 3] [-releases 50] [-weights 4] [-small 60] [-program 64] [-dir DIR]
//	go run ./tools/bench list     -costs
//	go run ./tools/bench publish  [-n 3] [-weights 8] [-dir DIR]
//	go run ./tools/bench farm     [-n 3] [-releases 3] [-work 500]
//	go run ./tools/bench network  [-n 3] [-weights 60] [-rtt 50ms,100ms] [-rate 100] [-dir DIR]
//	go run ./tools/bench kit      [-n 3] [-cells 6] [-weights 100] [-dir DIR]
//	go run ./tools/bench facerec  [-n 3] [-facerec bin/facerec] [-library 2000] [-more]
//	go run ./tools/bench memory   [-facerec bin/facerec] [-models models]
//	go run ./tools/bench group    [-facerec bin/facerec] [-models models]
//	go run ./tools/bench smoke    [-update]
//	go run ./tools/bench security [-releaser bin/releaser] [-facerec bin/facerec] [-models models] [-only TEXT] [-v]
//
// CPU seconds are the sum over all processes that a command waited for, as the
// kernel counts them; peak memory is that of the largest of these processes.
// Alternatives run in turn (A B A B), and the tables show medians and ratios.
// Figures are for comparing runs on one machine; nothing passes or fails here but
// security.
//
// # chain
//
// Every step of `make demo`. It needs bin/releaser, models and samples (make
// releaser models samples). The registry runs in this process, so a push or
// pull counts its client only.
//
// # archive
//
// releaser pack and releaser verify against a shell script of stock tools that
// handles one cell at a time:
//
//	crane export | tar -x, tar | gzip -n, sha256sum        to build
//	crane export | tar -x, tar | gzip -n | cmp             to verify
//
// Both read their images from the distribution registry on loopback, through a
// proxy that counts bytes. The set "cells" has two lineages of three platforms,
// each lineage with its own float weights (the pinned models if present, then
// values from a normal distribution, as trained weights have), static Go
// programs for each architecture, and small files. "small" is one image with
// very many small files; "small-six" is six images that share them. With
// -scaling, releaser pack alone runs on larger and larger sets.
//
// # verify
//
// releaser verify-blob against cosign verify-blob, with the same checksums.txt,
// bundle, trusted root and identity; and releaser verify, exact and with --fast,
// against a shell script that does the same with cosign, sha256sum, crane, tar,
// gzip and cmp. The release is the set "cells", signed keyless by a Sigstore on
// loopback that is idle while commands are measured. With -n 0, verify-blob alone.
//
// # list
//
// releaser verify --list of many small releases against a call of releaser verify
// for each: versions of one project, which share a layer of float weights and one of
// small files and have a program each, signed keyless by a Sigstore on loopback. Then
// the list with one core against two, and the list again with a state. With -costs,
// lists that differ in one thing show what each part of the work costs.
//
// # publish
//
// releaser publish and releaser fetch --all of six cells against shell scripts that
// do it with curl, sha256sum and cosign, and for publish also with the check of the
// tarballs against their images. The forge is a real Gitea on loopback behind a
// proxy that counts bytes; each round publishes on two new repositories. What the
// servers use is not counted.
//
// # farm
//
// rebuilderd with one worker and with two, on loopback: from the start of the workers
// until no artifact is open, over the same units, half of them built from other
// sources than those of their tags. It needs Debian's rebuilderd (the tool cache).
// # network
//
// releaser pull and releaser pack of three cells against crane and skopeo. Between them
// and the registry is a proxy that plays a link: it delays each direction by half of
// the round trip time, carries so many bits a second in all, and lets a connection
// have as much on the way as TCP would. Nothing is lost on it.
//
// # kit
//
// releaser kit create and verify of the kit, by releaser verify of the directory with
// images from the registry and from a layout; and the size of a kit by that of its
// parts. The release is that of verify.
//
// # facerec
//
// facerec against go-face as upstream compiles it (-O3 -march=native, OpenBLAS),
// and against the same C++ compiled for any x86-64. It needs bin/facerec and the
// models (make facerec models), a C++ compiler and, from Debian, unpacked and
// not installed, OpenBLAS and dlib's example portraits. What it fetches and
// compiles stays in build/bench-facerec.
//
// The other programs are tools/bench/upstream: it loads the models and runs one
// Recognizer over every picture, as go-face's documentation shows. It has no
// gallery, cache or report. OpenBLAS is limited to one thread, so that the work
// of one core is compared. All programs link Debian's libdlib.a without LAPACK;
// the others use dlib's own HOG detector from its headers.
//
// "One more" rows are the difference between a run over many pictures and a run
// over one, divided by the number of additional pictures: start-up cost cancels
// out. Wall times mean little on a busy machine.
//
// Two tables follow, alone with -more: a library of many portraits, with an empty
// cache, again, after one new picture, after all were renamed, and grouped; and one
// picture of 12 megapixels as JPEG, PNG, HEIC and AVIF, which Debian's heif-enc writes.
//
// # memory
//
// facerec detect on pictures of 12 to 200 megapixels that it makes itself, with
// the memory that it takes by default and with less.
//
// # group
//
// How rightly facerec group joins people, as facerec calibrate prints it: for the 5
// men of dlib's johns and the 4 of its bald_guys.jpg, and for them among the
// strangers of its other pictures. It needs bin/facerec and the models.
//
// # smoke
//
// Allocations and instructions of ten fixed pieces of work next to those in
// tools/bench/internal/smoke/baseline.json. The command fails if one grew beyond a
// margin, and when valgrind, which counts the instructions, is missing. -update
// writes the baseline anew.
//
// # security
//
// Inputs below 1 MB that want to be expensive, built by tools/bench/internal/hostile,
// each read by all verbs that read its kind. A line of the table is an input with
// its costliest call. The command fails if a call needs more than 256 MiB or 10
// seconds of CPU, or panics. Calls are capped by the kernel, so that a fault does
// not take the machine along.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"facerec/tools/bench/internal/measure"
	"facerec/tools/bench/internal/smoke"
)

// benchmark is one table or a group of them.
type benchmark struct {
	name string
	run  func(ctx context.Context, flags *flag.FlagSet, args []string) error
}

// benchmarks are what this program measures; the first is the default.
var benchmarks = []benchmark{
	{"chain", benchChain},
	{"archive", benchArchive},
	{"verify", benchVerify},
	{"publish", benchPublish},
	{"list", benchList},
	{"farm", benchFarm},
	{"kit", benchKit},
	{"network", benchNetwork},
	{"facerec", benchFacerec},
	{"memory", benchMemory},
	{"group", benchGroup},
	{"security", benchSecurity},
	{"smoke", benchSmoke},
}

func main() {
	measure.Init()
	smoke.Init()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func names() []string {
	var out []string
	for _, b := range benchmarks {
		out = append(out, b.name)
	}
	return out
}

func run(ctx context.Context, args []string) error {
	chosen := benchmarks[0]
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		i := slices.IndexFunc(benchmarks, func(b benchmark) bool { return b.name == args[0] })
		if i < 0 {
			return fmt.Errorf("unknown benchmark %q, expected one of %s", args[0], strings.Join(names(), ", "))
		}
		chosen, args = benchmarks[i], args[1:]
	}
	return chosen.run(ctx, flag.NewFlagSet("bench "+chosen.name, flag.ContinueOnError), args)
}
