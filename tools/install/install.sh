#!/usr/bin/env bash
# Installs one version of releaser by the digest of its tarball:
#
#   tools/install/install.sh PAGE VERSION SHA256 DIR
#
# The digest comes from you, not from the page: what was downloaded is put in
# place only if it is that file. Nothing is left in DIR otherwise.
set -euo pipefail

if [ $# -ne 4 ]; then
    echo "usage: install.sh PAGE VERSION SHA256 DIR" >&2
    exit 2
fi
page=$1 version=${2#v} sha256=$3 dir=$4
case $(uname -m) in
x86_64 | amd64) arch=amd64 ;;
aarch64 | arm64) arch=arm64 ;;
armv7l) arch=armv7 ;;
*)
    echo "install.sh: there is no releaser for $(uname -m)" >&2
    exit 1
    ;;
esac
os=$(uname -s | tr '[:upper:]' '[:lower:]')
asset="releaser_${version}_${os}_${arch}.tar.gz"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
curl --proto '=https,http,file' --fail --silent --show-error --location --retry 3 \
    --output "$tmp/$asset" "$page/releases/download/v$version/$asset"
if command -v sha256sum >/dev/null; then
    sum() { sha256sum "$1"; }
else
    sum() { shasum -a 256 "$1"; } # macOS
fi
got=$(sum "$tmp/$asset")
got=${got%% *}
if [ "$got" != "$sha256" ]; then
    echo "install.sh: $asset: expected sha256 $sha256, got $got" >&2
    exit 3
fi
mkdir -p "$tmp/unpacked"
tar -xzf "$tmp/$asset" -C "$tmp/unpacked" --strip-components=1
mkdir -p "$dir"
install -m 0755 "$tmp/unpacked/releaser" "$dir/releaser"
"$dir/releaser" version
