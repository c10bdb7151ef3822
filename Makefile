# facerec and releaser. `make help` lists the targets; everything that a target
# needs is a dependency of it, so each can be called first on a bare machine.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO      ?= go
INPUTS  := $(GO) run ./tools/inputs
CELLS   ?=
PACKAGES ?= build $(if $(CELLS),cross)
# Go's SIMD package, on amd64 (docs/adr/0015-simd.md). The bytes of releases do not depend
# on it.
SIMD    := GOEXPERIMENT=simd
GOBUILD := $(SIMD) CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -buildid='

##@ Start here

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z][a-z0-9-]*:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: packages models samples releaser ## the whole chain on this machine: build, push, pack, sign, verify, run (CELLS=all for six cells)
	$(GO) run ./tools/demo $(if $(CELLS),--cells $(CELLS))

.PHONY: demo-real
demo-real: packages models samples releaser ## the same against a real registry and a whole Sigstore on loopback
	$(GO) run ./tools/demo --real $(if $(CELLS),--cells $(CELLS))

.PHONY: releaser
releaser: ## bin/releaser, static and reproducible
	$(GOBUILD) -o bin/releaser ./cmd/releaser

.PHONY: facerec
facerec: packages ## bin/facerec for this machine, static, on dlib19
	$(INPUTS) facerec --lineage dlib19 --out bin/facerec

.PHONY: packages
packages: ## install what the build needs by package name (root or sudo); PACKAGES="build cross test" for all
	$(INPUTS) packages $(PACKAGES)

.PHONY: models
models: ## fetch the three model files, held to the hashes in models/models.lock.json
	$(INPUTS) models

.PHONY: samples
samples: ## fetch the sample faces and compose images/unknown.jpg
	$(INPUTS) samples

.PHONY: gitea
gitea: packages ## build the forge that tests publish on into the tool cache (once, ten minutes of CPU)
	$(GO) run ./tools/loopback-tool gitea

##@ Test

# What releaser is built for.
CROSS := linux/amd64 linux/arm64 linux/arm linux/386 linux/riscv64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64 freebsd/amd64

# Those that make cross builds too: an empty build cache costs over a minute of CPU
# for each.
BUILD := $(CROSS)

.PHONY: cross
cross: ## check releaser and its tests for every system it runs on, and build it (BUILD=windows/amd64 for one)
	$(GO) run ./tools/cross $(CROSS) -- ./cmd/releaser ./internal/...
	@set -e; for target in $(BUILD); do \
		echo "build: $$target"; \
		export GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0; \
		$(SIMD) $(GO) build -trimpath -o /dev/null ./cmd/releaser; \
	done

# What test-cross runs: the pure packages everywhere, and where the machine's own
# processor runs the tests (386) those that cost more.
ANYWHERE := ./internal/text ./internal/atomicfile ./internal/sums ./internal/executable ./internal/release ./internal/checksum ./internal/sbom ./internal/models
ON_386   := ./internal/inflate ./internal/tarball ./internal/oci/... ./internal/publish ./internal/verify

# The packages with files for Go's SIMD package, and those that read all their results.
WIDE := ./internal/sums ./internal/tarball ./internal/oci/layer

.PHONY: test-cross
test-cross: ## tests on 32 bits, natively (386), and for ARM and RISC-V under qemu
	$(INPUTS) packages cross
	GOARCH=386 CGO_ENABLED=0 $(GO) test -short $(ANYWHERE) $(ON_386)
	@set -e; for pair in arm/arm arm64/aarch64 riscv64/riscv64; do \
		echo "test: linux/$${pair%/*}"; \
		export GOARCH=$${pair%/*} CGO_ENABLED=0; run=qemu-$${pair#*/}-static; \
		$(GO) test -short -exec $$run $(ANYWHERE); \
		$(GO) test -short -exec $$run -run TestGolden ./internal/tarball; \
		case $$GOARCH in arm*) $(GO) test -short -tags nodynamic -exec $$run ./internal/heif ;; esac; \
	done

.PHONY: e2e
e2e: demo-real ## the whole chain against a real registry and Sigstore, up to whom the released program recognises

.PHONY: test
test: packages models samples gitea ## every test that needs no foreign architecture
	$(GO) vet ./...
	$(INPUTS) test --lineage dlib19 ./internal/dlib/... ./cmd/facerec/... ./toolchain/...
	$(GO) test -timeout 40m ./...

.PHONY: test-pure
test-pure: ## the tests that need neither dlib nor a network
	CGO_ENABLED=0 $(GO) test -timeout 40m ./...

.PHONY: test-simd
test-simd: ## tests of what is written for Go's SIMD package (amd64 with AVX-512, or they skip)
	$(SIMD) $(GO) vet $(WIDE)
	GOAMD64=v3 $(SIMD) $(GO) test -short -run 'TestGolden|TestEights' ./internal/tarball
	$(SIMD) $(GO) test -json $(WIDE) | $(GO) run ./tools/skips --allow .ci/skips

.PHONY: lint
lint: ## golangci-lint at the pinned version
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run --allow-parallel-runners $(CHECKED)

.PHONY: test-native
test-native: ## a cell with an arm64 machine's compilers, under qemu: the same bytes? (root, some 10 minutes of CPU; CELLS=one; SMALL=1 without facerec)
	$(INPUTS) packages build cross
	@command -v mmdebstrap >/dev/null || $(INPUTS) packages test
	$(GO) run ./tools/native $(if $(CELLS),--cell $(CELLS)) $(if $(SMALL),--small)

.PHONY: test-packages
test-packages: ## install releaser's .deb, .rpm and .apk in root file systems, and run what was installed (root)
	$(INPUTS) packages test
	$(GO) test -count=1 -v -run TestPackagesInstall ./tools/dist

##@ Measure

.PHONY: bench
bench: packages models samples releaser ## wall, CPU and peak memory of every step for the demo's cell
	$(GO) run ./tools/bench

.PHONY: bench-archive
bench-archive: models releaser ## tarballs beside crane, tar, gzip and sha256sum: CPU, wall, memory, bytes
	$(GO) run ./tools/bench archive

.PHONY: bench-verify
bench-verify: models releaser ## verifying beside cosign, crane, tar, gzip and cmp: a bundle, and the whole chain for six cells (CELLS=3)
	$(GO) run ./tools/bench verify $(if $(CELLS),-cells $(CELLS))

.PHONY: bench-list
bench-list: releaser ## verify --list of 50 small releases that share layers next to 50 calls of verify
	$(GO) run ./tools/bench list

.PHONY: schedule
schedule: ## the tables of docs/scale.md: verify --list on machines that are not at hand, simulated
	$(GO) run ./tools/schedule

.PHONY: bench-smoke
bench-smoke: ## allocations and instructions of ten fixed inputs, which must not grow (valgrind counts them)
	@command -v valgrind >/dev/null || $(INPUTS) packages measure
	$(GO) run ./tools/bench smoke

.PHONY: bench-security
bench-security: releaser ## inputs that want to be expensive: memory and time of every verb that reads them
	$(GO) run ./tools/bench security $(if $(wildcard /dev/shm),-dir /dev/shm)

.PHONY: bench-publish
bench-publish: releaser gitea ## publishing and fetching six cells on a real Gitea beside curl, sha256sum and cosign
	$(GO) run ./tools/bench publish

.PHONY: bench-farm
bench-farm: releaser ## rebuilding releases on rebuilderd: two workers next to one
	$(GO) run ./tools/bench farm

.PHONY: bench-network
bench-network: releaser ## pulling and packing over a slow link beside crane and skopeo
	$(INPUTS) packages bench
	$(GO) run ./tools/bench network

.PHONY: bench-facerec
bench-facerec: facerec models ## facerec beside go-face as upstream compiles it: load, detect, describe, enrol, batch
	$(GO) run ./tools/bench facerec

.PHONY: bench-kit
bench-kit: releaser ## a kit of six cells (CELLS=24): its size by its parts, making and verifying it in time and memory
	$(GO) run ./tools/bench kit $(if $(CELLS),-cells $(CELLS)) $(if $(WEIGHTS),-weights $(WEIGHTS))

##@ Pins and reproducibility

.PHONY: reprotest
reprotest: packages models samples releaser ## build every chosen cell twice, everything else different, and compare (CELLS=all; RELEASED=DIR with a release too)
	$(GO) run ./tools/reprotest $(if $(CELLS),--cells $(CELLS)) $(if $(RELEASED),--released $(RELEASED))

.PHONY: relock
relock: ## renew pins that a suite has moved past, and show the difference
	$(INPUTS) relock

.PHONY: pins
pins: ## compare this machine with inputs.lock.json: Go, compilers, modules, cached files; fetches nothing
	$(INPUTS) check

.PHONY: update
update: relock relock-images trusted-root ## renew every pin: inputs, base images, trusted root, modules
	$(GO) get -u ./... && $(GO) mod tidy

.PHONY: discover
discover: releaser ## what upstream has and nothing here pins (FLAGS=--open-issues)
	bin/releaser discover $(FLAGS)

.PHONY: relock-images
relock-images: ## pin the Dockerfile's base images to what their tags name now (REGISTRY=HOST/PATH for a mirror)
	$(GO) run ./tools/container relock-images $(if $(REGISTRY),--from $(REGISTRY))

.PHONY: trusted-root
trusted-root: ## renew the trusted root that releaser carries, prove its TUF signatures, show the difference
	@command -v npm >/dev/null || $(INPUTS) packages trusted-root
	$(GO) run ./tools/trusted-root

.PHONY: vendor-inputs
vendor-inputs: ## fill vendor-inputs/ for builds without network
	$(INPUTS) vendor vendor-inputs

.PHONY: clean
clean: ## remove what was built; fetched models and samples stay
	rm -rf bin build dist

# Containers: docs/containers.md says which of the two ways is for what.

##@ Containers

.PHONY: image
image: releaser ## build the Dockerfile with buildah and compare it with this machine's build (CELLS=one cell)
	$(GO) run ./tools/container image $(if $(CELLS),--cell $(CELLS))

.PHONY: image-targets
image-targets: releaser ## the same for every target of the Dockerfile: dlib, go-face, builder, dev, runtime, debug, releaser
	$(GO) run ./tools/container image --targets $(if $(CELLS),--cell $(CELLS))

.PHONY: test-image
test-image: packages models samples releaser ## run the images that releaser builds in a real engine, hardened (CELLS=… for foreign ones)
	$(INPUTS) packages engine $(if $(CELLS),cross)
	bin/releaser build --cells $(or $(CELLS),dlib19/linux/$$($(GO) env GOARCH)) --out build/oci
	FACEREC_LAYOUT=$(CURDIR)/build/oci $(GO) test -timeout 40m -count=1 -v -run 'TestImageRunsInAnEngine|TestReleasedImagesRecognise' ./cmd/releaser

.PHONY: image-verify
image-verify: test-image ## build the image, run it hardened in an engine, and check whom it recognises

include make/gates.mk make/release.mk
