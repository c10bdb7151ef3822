#!/bin/sh
#SBATCH --job-name=rebuild
#SBATCH --output=%x-%A_%a.log
#SBATCH --requeue
# Task N of a Slurm job array rebuilds unit N of a list into OUT/N:
#
#     sbatch --array=1-$(grep -cv '^[[:space:]]*\(#\|$\)' LIST) array.sh LIST OUT
#
# LIST and OUT are on a file system that every node has; rebuild-unit, releaser and
# git are on the PATH. A task of a node that dies is started anew on another one.
set -eu
exec rebuild-unit "$1" "$SLURM_ARRAY_TASK_ID" "$2/$SLURM_ARRAY_TASK_ID"
