#!/bin/bash
# What processes cost beside threads: the same training as one process with two threads (one shard,
# and two) and as two processes with one thread each, alternating. Prints seconds of training, their
# medians, and the ratio of the medians, which is the efficiency of the two processes.
#
#   bench/rank_scaling.sh PROGRAM [TURNS [FLAGS OF train…]]
#
# Needs two processors that nobody else uses. Default: 5 turns of Fashion-MNIST, 25,600 images.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
program=$(realpath "$1")
turns=${2:-5}
shift $(($# < 2 ? $# : 2))
flags=(--limit 25600 --held-out 2560 --batch 128 --epochs 1 --quiet "$@")
place=$(mktemp -d "${TMPDIR:-/tmp}/rank-scaling.XXXXXX")
trap 'rm -rf "$place"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

seconds() { # NAME COMMAND...: appends the seconds of its training to $place/NAME
  local name=$1
  shift
  rm -rf "$place/run"
  "$@" train --run "$place/run" "${flags[@]}" "${how[@]}" >/dev/null
  sed -n 's/.*"teacher_seconds": \([0-9.]*\).*/\1/p' "$place/run/results.json" >>"$place/$name"
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

for _ in $(seq "$turns"); do
  how=(--threads 2 --shards 1)
  seconds threads "$program"
  how=(--threads 2 --shards 2)
  seconds shards "$program"
  how=(--threads 1 --shards 2)
  seconds ranks mpirun -np 2 --bind-to none "$program"
done
for name in threads shards ranks; do
  echo "$name: $(tr '\n' ' ' <"$place/$name")s, median $(median "$place/$name") s"
done
awk -v t="$(median "$place/threads")" -v s="$(median "$place/shards")" -v r="$(median "$place/ranks")" \
  'BEGIN { printf "2 ranks x 1 thread against 1 rank x 2 threads: efficiency %.2f (one shard), %.2f (two shards)\n", t / r, s / r }'
