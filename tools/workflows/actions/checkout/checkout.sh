#!/usr/bin/env bash
# With depth 0 all branches and tags, else one commit; a tag keeps its signature.
set -euo pipefail
git init -q .
git remote add origin "$FORGE_REMOTE"
case $GITHUB_REF in
refs/tags/*) want="+$GITHUB_REF:$GITHUB_REF" at=$GITHUB_REF ;;
*) want=$GITHUB_SHA at=$GITHUB_SHA ;;
esac
if [ "$DEPTH" = 0 ]; then
    git fetch -q --prune origin '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*'
else
    git fetch -q --no-tags --depth="$DEPTH" origin "$want"
fi
git checkout -q --force --detach "$at"
git --no-pager log -1 --format='checked out %h %s'
# In a container the workspace belongs to the runner's account, not to the job's.
if [ -e "$RUNNER_TEMP/container" ] && [ "$(id -u)" = 0 ]; then
    chown -R 1001 .
fi
