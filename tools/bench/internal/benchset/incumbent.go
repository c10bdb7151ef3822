package benchset

// BuildScript is what people write today. $1 is the image, $2 where to work; the
// project's lines come on standard input.
const BuildScript = `set -eu
while read -r tag platform prefix asset; do
  mkdir -p "$2/work/$asset/$prefix"
  "$CRANE" export --insecure --platform "$platform" "$1:$tag" - | tar -x -C "$2/work/$asset" app
  rmdir "$2/work/$asset/$prefix"; mv "$2/work/$asset/app" "$2/work/$asset/$prefix"
  tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$2/work/$asset" -cf - "$prefix" | gzip -n >"$2/$asset"
done
cd "$2"; sha256sum *.gz >checksums.txt
`

// VerifyScript makes the tarballs again and compares with those in $3.
const VerifyScript = `set -eu
(cd "$3"; sha256sum --quiet --check --strict checksums.txt)
while read -r tag platform prefix asset; do
  mkdir -p "$2/work/$asset/$prefix"
  "$CRANE" export --insecure --platform "$platform" "$1:$tag" - | tar -x -C "$2/work/$asset" app
  rmdir "$2/work/$asset/$prefix"; mv "$2/work/$asset/app" "$2/work/$asset/$prefix"
  tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$2/work/$asset" -cf - "$prefix" | gzip -n | cmp - "$3/$asset"
done
`
