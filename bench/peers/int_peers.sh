#!/bin/bash
# Runs the integer comparison and writes build/bench/int_peers.json.
# Usage: int_peers.sh PROGRAM COMPILER [THREADS [ROUNDS [FILTER [LIMITS]]]]
#   THREADS  0: one, then all
#   ROUNDS   0: five without a limit, three with one
#   LIMITS   comma separated, what both sides are limited to: none, avx512vnni, avx2.
#            Default: all of these that make a difference on this CPU
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1 compiler=$2 threads=${3:-0} rounds=${4:-0} filter=${5:-} limits=${6:-}
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

has() { grep -m 1 '^flags' /proc/cpuinfo 2>/dev/null | grep -qwE "$1"; }
if [ -z "$limits" ]; then
  limits=none
  # Beyond VNNI only AMX multiplies 8-bit integers faster; beyond AVX2 both VNNIs do.
  if has avx512_vnni && has amx_int8; then limits+=,avx512vnni; fi
  if has avx2 && has 'avx512bw|avx_vnni'; then limits+=,avx2; fi
fi
counts=$threads
if [ "$threads" = 0 ]; then counts=$(printf '%s\n' 1 "$(nproc)" | sort -nu); fi
# oneDNN reads both spellings, the older version the second only.
limited() {
  case $1 in
    none) ;;
    avx512vnni) export INTANDEM_ISA=$1 ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI DNNL_MAX_CPU_ISA=AVX512_CORE_VNNI ;;
    avx2) export INTANDEM_ISA=$1 ONEDNN_MAX_CPU_ISA=AVX2 DNNL_MAX_CPU_ISA=AVX2 ;;
    *) echo "int_peers.sh: unknown limit '$1'; use none, avx512vnni or avx2" >&2; return 2 ;;
  esac
}
runs=()
for limit in ${limits//,/ }; do
  for count in $counts; do
    run_rounds=$rounds
    if [ "$rounds" = 0 ]; then [ "$limit" = none ] && run_rounds=5 || run_rounds=3; fi
    result=build/bench/int_peers_${limit}_$count.json
    (limited "$limit" && exec "$program" "$count" "$run_rounds" "$filter" "$limit" "$ort" "${libraries[@]}") >"$result"
    runs+=("$result")
  done
done
/usr/bin/env python3 bench/peers/int_table.py $problems "${runs[@]}"
