#!/bin/bash
# Runs the integer comparison for 1 thread and for all and writes build/bench/int_peers.json.
# Usage: int_peers.sh PROGRAM COMPILER [THREADS [ROUNDS [FILTER]]]; THREADS 0: one, then all.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1 compiler=$2 threads=${3:-0} rounds=${4:-5} filter=${5:-}
mkdir -p build/bench
problems=build/peers/problems.txt

# library NAME SOURCE-FLAGS… : oneDNN's plugin, one shared library per version.
libraries=()
library() {
  local out=build/bench/$1.so
  shift
  local shared="-std=c++20 -O2 -fPIC -shared -fopenmp -I."
  [[ $compiler = *clang* ]] || shared+=" -fno-gnu-unique" # or two versions share their statics
  # shellcheck disable=SC2086
  if $compiler $shared bench/peers/onednn_plugin.cpp "$@" -o "$out" 2>build/bench/plugin.log; then
    libraries+=("$out")
  else
    echo "not available: $out ($(head -n 1 build/bench/plugin.log))" | tee -a $problems >&2
  fi
}
library onednn_debian -ldnnl
venv=$PWD/build/peers/onednn
[ ! -d $venv ] || library onednn_pypi -isystem "$venv/include" "$venv/lib/libdnnl.so.3" "-Wl,-rpath,$venv/lib"
ort=""
[ ! -x build/peers/ort/bin/python ] || ort="build/peers/ort/bin/python bench/peers/ort_worker.py"

run() { "$program" "$1" "$rounds" "$filter" "$ort" "${libraries[@]}" >"build/bench/int_peers_$1.json"; }
counts=$threads
if [ "$threads" = 0 ]; then counts=$(printf '%s\n' 1 "$(nproc)" | sort -nu); fi
for count in $counts; do run "$count"; done
/usr/bin/env python3 bench/peers/int_table.py $problems $counts
