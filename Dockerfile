# facerec's image, for people who build with an engine (BuildKit, Podman, Buildah):
#
#   podman build --timestamp 0 --build-arg LINEAGE=dlib19 --build-arg PLATFORM=linux/amd64 .
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
ARG BASE=debian:bookworm-slim
ARG GO=golang:1.26.8-bookworm
ARG PLATFORM=linux/amd64

FROM --platform=$BUILDPLATFORM ${GO} AS go

FROM --platform=$BUILDPLATFORM ${BASE} AS builder
WORKDIR /src
ARG PLATFORM

# The packages of packages.txt; the cross compilers only where they are needed.
COPY packages.txt ./
RUN set -eu; \
    sections='[build]'; \
    [ "$PLATFORM" = "linux/$(dpkg --print-architecture)" ] || sections="$sections [cross]"; \
    names=$(awk -v want="$sections" '/^\[/ { on = index(want, $1) } /^[a-z]/ && on { print $1 }' packages.txt); \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get -q update; \
    apt-get -q -y install --no-install-recommends $names

# Fetched files, toolchains and compiled packages go to /cache: mount a volume
# there to build again sooner. Nothing of it gets into the image.
COPY --from=go /usr/local/go /usr/local/go
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    GOPATH=/go GOTOOLCHAIN=local XDG_CACHE_HOME=/cache

# Models and sample faces come first: they change least and take longest.
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
COPY persons persons
COPY images images
RUN go run ./tools/inputs models && \
    go run ./tools/inputs samples

COPY . .
ARG LINEAGE=dlib19
ARG GOPROXY
# The version is config.json's, as releaser build has it.
RUN version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' config.json) && \
    go run ./tools/inputs facerec --lineage "$LINEAGE" --platform "$PLATFORM" \
        -X "main.version=$version" --out "build/$LINEAGE/$PLATFORM/facerec"
# What config.json puts into the image, with the modes it says.
RUN go run ./tools/container stage --cell "$LINEAGE/$PLATFORM" /stage

FROM --platform=${PLATFORM} scratch
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
