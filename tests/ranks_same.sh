#!/bin/bash
# Runs whole jobs, every command from images to verified integers, as one process, as mpirun with one
# rank, with two and with four, all with `--shards 4`, and compares what they leave: every model file
# and every figure, bit for bit. Prints a table of checksums.
#
#   tests/ranks_same.sh PROGRAM fashion [DATA]      the demo, all of it
#   tests/ranks_same.sh PROGRAM cifar DATA          CIFAR-10: one epoch of the teacher, a W4A4 student
#
# DATA: the directory of the images (Fashion-MNIST default: Debian's; for cifar a directory with the
# folders train and test of images, or the binary version with DATASET=cifar10). THREADS: of each
# process, default 1. Directories go to a temporary place, kept if anything differs. Exit code 0: all
# the same.
set -uo pipefail
[ $# -ge 2 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2; }
program=$(realpath "$1")
what=$2
data=$(realpath "${3:-/usr/share/datasets/fashion-mnist}")
cd "$(dirname "$0")/.."
place=$(mktemp -d "${TMPDIR:-/tmp}/ranks-same.XXXXXX")
. tests/kill_common.sh
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_WAIT_POLICY=passive
command -v mpirun >/dev/null || fail "no mpirun"
common=(--threads "${THREADS:-1}")

go() { # RANKS COMMAND...: 0 ranks is a process of its own
  local ranks=$1
  shift
  if [ "$ranks" = 0 ]; then
    "$program" "$@" "${common[@]}" >>"$place/out" 2>"$place/err"
  else
    mpirun -np "$ranks" --oversubscribe --bind-to none "$program" "$@" "${common[@]}" >>"$place/out" 2>"$place/err"
  fi || fail "$1 on $ranks ranks: $(tail -n 3 "$place/err")"
}

fashion() { # RANKS RUN
  local bits config
  go "$1" train --run "$2" --config apps/configs/fashion-teacher.json --data-dir "$data" --shards 4 --quiet
  for bits in 4 2; do
    config=apps/configs/fashion-w${bits}a${bits}.json
    go "$1" baseline --run "$2" --config "$config" --quiet
    go "$1" distill --run "$2" --config "$config" --shards 4 --quiet
    go "$1" verify --run "$2" --name "w${bits}a${bits}"
  done
}

cifar() { # RANKS RUN
  go "$1" train --run "$2" --dataset "${DATASET:-image-folder}" --data-dir "$data" --network cifar-alexnet-64 \
    --width 0.25 --epochs 1 --shift 4 --shards 4 --quiet
  go "$1" baseline --run "$2" --quiet
  go "$1" distill --run "$2" --epochs-per-stage 0.05 --joint-epochs 0.5 --mixup 0.5 --shards 4 --quiet
  go "$1" verify --run "$2" --name w4a4
}

case $what in fashion | cifar) ;; *) fail "$what: say fashion or cifar" ;; esac
for ranks in 0 1 2 4; do
  run=$place/$ranks
  begin=$(milliseconds)
  $what $ranks "$run"
  for file in "$run"/*.safetensors; do
    echo "$ranks ranks: $(sha256sum <"$file" | cut -c1-16)  $(basename "$file")"
    cmp "$place/0/$(basename "$file")" "$file" || fail "$(basename "$file") differs"
  done
  figures "$run" >"$place/$ranks.figures"
  cmp "$place/0.figures" "$place/$ranks.figures" || fail "figures differ"
  echo "$ranks ranks: $(sha256sum <"$place/$ranks.figures" | cut -c1-16)  results.json and log.jsonl without times;" \
    "$((($(milliseconds) - begin) / 1000)) s"
done
grep -h "mismatches" "$place/out" | sort | uniq -c
rm -rf "$place"
echo "$what: 0 differences"
