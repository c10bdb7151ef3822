# facerec's and releaser's images, for people who build with an engine (BuildKit,
# Podman, Buildah):
#
#   podman build --timestamp 0 --build-arg LINEAGE=dlib19 --build-arg PLATFORM=linux/amd64 .
#
# --target takes one of
#
#   dlib      Go, the compilers, dlib and libjpeg: with-dlib COMMAND runs one with them
#   go-face   the same with go-face compiled
#   builder   facerec built from these sources, models and all
#   dev       builder with gdb and strace: a place to look around in
#   runtime   facerec alone, from scratch; without --target, this one
#   debug     runtime with a shell
#   releaser  releaser and the CA certificates, from scratch
#
# The release path is `releaser build`, which needs no engine; docs/containers.md
# says what both have in common and how to check it: /app is the same, byte for
# byte, because the compilers, dlib, the models and the Go modules are the same
# and no path, time or name of the machine gets into the program.
#
#   BASE      Debian bookworm: the lock file pins its compilers
#   GO        any image with the pinned Go in /usr/local/go
#   LINEAGE   dlib19 or dlib20
#   PLATFORM  linux/amd64, linux/arm64 or linux/arm/v7; foreign ones are cross
#             compiled, so nothing here needs emulation; BuildKit wants --platform
#             with the same value besides, or it marks the image as the builder's
#   GOPROXY   where Go modules come from, when not from Go's own default
#   INPUTS    a directory that `make vendor` filled, mounted by the engine: then
#             models, dlib and libjpeg come from there
ARG BASE=debian:bookworm-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251
ARG GO=golang:1.26.8-bookworm@sha256:a688600ca24f8a4d3ca77f95b0dd40704a9fc787c826660eb7ba0b641b8b175d
ARG PLATFORM=linux/amd64

FROM --platform=$BUILDPLATFORM ${GO} AS go

FROM --platform=$BUILDPLATFORM ${BASE} AS dlib
WORKDIR /src
ARG PLATFORM

# The packages of packages.txt for this machine's architecture; the cross compilers only
# where they are needed.
COPY packages.txt ./
RUN set -eu; \
    sections='[build]'; arch=$(dpkg --print-architecture); \
    [ "$PLATFORM" = "linux/$arch" ] || sections="$sections [cross]"; \
    names=$(awk -v want="$sections" -v arch="$arch" '/^\[/ { on = index(want, $1) } /^[a-z]/ && on && (!/\[/ || /\[!/ != ($0 ~ "[[! ]" arch "[] ]")) { print $1 }' packages.txt); \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get -q update; \
    apt-get -q -y install --no-install-recommends $names

# Fetched files, toolchains and compiled packages go to /cache: mount a volume
# there to build again sooner. What is built on it then needs the volume too.
COPY --from=go /usr/local/go /usr/local/go
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    GOPATH=/go GOTOOLCHAIN=local XDG_CACHE_HOME=/cache

COPY go.mod go.sum inputs.lock.json ./
COPY tools/inputs tools/inputs
COPY internal/atomicfile internal/atomicfile
COPY internal/executable internal/executable
COPY internal/inputs internal/inputs
COPY internal/models internal/models
COPY internal/release internal/release
COPY internal/text internal/text
COPY toolchain toolchain
COPY models models
ARG LINEAGE=dlib19
ARG GOPROXY
ARG INPUTS
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -o /usr/local/bin/inputs ./tools/inputs && \
    inputs dlib --lineage "$LINEAGE" --platform "$PLATFORM" --offline "$INPUTS" && \
    printf '#!/bin/sh\nexec inputs run --quiet --lock /src/inputs.lock.json --lineage %s --platform %s --offline "%s" -- "$@"\n' \
        "$LINEAGE" "$PLATFORM" "$INPUTS" >/usr/local/bin/with-dlib && \
    chmod 755 /usr/local/bin/with-dlib

FROM dlib AS go-face
ARG GOPROXY
RUN with-dlib go build -trimpath -buildvcs=false github.com/Kagami/go-face

FROM go-face AS builder
# Models and sample faces come first: they change least and take longest.
COPY persons persons
COPY images images
ARG INPUTS
RUN inputs models --offline "$INPUTS" && inputs samples --offline "$INPUTS"

COPY . .
ARG LINEAGE=dlib19
ARG PLATFORM
ARG GOPROXY
# The version is config.json's, as releaser build has it.
RUN version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' config.json) && \
    go run ./tools/inputs facerec --lineage "$LINEAGE" --platform "$PLATFORM" --offline "$INPUTS" \
        -X "main.version=$version" --out "build/$LINEAGE/$PLATFORM/facerec"
# What config.json puts into the image, with the modes it says.
RUN go run ./tools/container stage --cell "$LINEAGE/$PLATFORM" /stage && \
    ln -s /stage/app /app

FROM builder AS dev
RUN set -eu; \
    names=$(awk '/^\[/ { on = $1 == "[dev]" } /^[a-z]/ && on { print $1 }' packages.txt); \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get -q update; \
    apt-get -q -y install --no-install-recommends $names
CMD ["bash"]

# A static shell for the platform of the image.
FROM --platform=$BUILDPLATFORM ${BASE} AS shell
WORKDIR /work
ARG PLATFORM
RUN set -eu; \
    case $PLATFORM in linux/arm/v7) arch=armhf ;; *) arch=${PLATFORM#linux/} ;; esac; \
    dpkg --add-architecture "$arch"; \
    apt-get -q update; \
    apt-get -q download "busybox-static:$arch"; \
    dpkg-deb --extract busybox-static_*.deb deb; \
    mkdir -p /shell/bin; \
    cp deb/bin/busybox /shell/bin/busybox; \
    for name in sh ash cat cp df du env find grep head id ls mkdir mount ps pwd rm sed sha256sum stat tail top vi wc xargs; do \
        ln -s busybox "/shell/bin/$name"; \
    done

FROM dlib AS releaser-builder
COPY . .
ARG PLATFORM
ARG GOPROXY
# As `make releaser` has it.
RUN set -eu; \
    machine=${PLATFORM#*/}; arch=${machine%%/*}; arm=; \
    [ "$machine" = "$arch" ] || arm=${machine#*/v}; \
    GOEXPERIMENT=simd CGO_ENABLED=0 GOOS=${PLATFORM%%/*} GOARCH=$arch GOARM=$arm \
        go build -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o /stage/releaser ./cmd/releaser; \
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt /stage/etc/ssl/certs/ca-certificates.crt

FROM --platform=${PLATFORM} scratch AS releaser
COPY --from=releaser-builder /stage/ /
LABEL org.opencontainers.image.title="releaser" \
      org.opencontainers.image.authors="The facerec authors" \
      org.opencontainers.image.description="Turns container images into verified releases" \
      org.opencontainers.image.licenses="MIT"
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["/releaser"]

FROM --platform=${PLATFORM} scratch AS runtime
# First what differs from platform to platform: Buildah's cache of layers does not
# look at an image's architecture, and would hand one platform's on to the next.
COPY --from=builder /stage/ /
ARG LINEAGE=dlib19
ARG PLATFORM
LABEL org.opencontainers.image.title="facerec" \
      org.opencontainers.image.authors="The facerec authors" \
      org.opencontainers.image.description="Recognises faces: labelled photos in, names and an annotated picture out ($LINEAGE, $PLATFORM)" \
      org.opencontainers.image.licenses="MIT"
USER 10001:10001
WORKDIR /app
ENTRYPOINT ["/app/facerec"]

FROM runtime AS debug
COPY --from=shell /shell/ /
ENV PATH=/bin

FROM runtime
