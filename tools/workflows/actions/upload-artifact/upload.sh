#!/usr/bin/env bash
# As the action does it: an artifact is never replaced, hidden files and the modes
# of files are lost.
set -euo pipefail
if [ -z "$(find "$FROM" -type f 2>/dev/null | head -n 1)" ]; then
    echo "no files in $FROM"
    [ "$NONE" != error ]
    exit
fi
if ! mkdir "$ARTIFACTS/$NAME"; then
    echo "the artifact $NAME exists"
    exit 1
fi
cp -r --no-preserve=mode "$FROM/." "$ARTIFACTS/$NAME/"
find "$ARTIFACTS/$NAME" -mindepth 1 -name '.*' -prune -exec rm -r {} +
