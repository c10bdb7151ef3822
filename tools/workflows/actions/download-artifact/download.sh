#!/usr/bin/env bash
# A name must exist; a pattern may match nothing, as with the action.
set -euo pipefail
mkdir -p "$TO"
if [ -n "$NAME" ]; then
    cp -r "$ARTIFACTS/$NAME/." "$TO/"
    exit
fi
[ "$MERGE" = true ]
find "$ARTIFACTS" -mindepth 1 -maxdepth 1 -name "$PATTERN" | sort | while read -r artifact; do
    cp -r "$artifact/." "$TO/"
done
