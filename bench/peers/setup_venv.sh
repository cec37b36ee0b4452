#!/bin/bash
# Fetches the peers that Debian does not have from PyPI into build/peers/. Each is optional: what
# cannot be fetched is said, and the comparison runs without it. Does nothing when all is there.
#   build/peers/ort         onnxruntime and onnx (setup_venv.sh ort: these alone)
#   build/peers/onednn      the newest oneDNN for CPUs on OpenMP
# PyPI's still newer oneDNN (package onednn) needs the SYCL run time and a 2 GB installation: left out.
set -uo pipefail
cd "$(dirname "$0")/../.."
python=/usr/bin/python3
[ -x $python ] || python=python3
mkdir -p build/peers
problems=build/peers/problems.txt
: >$problems

# fetch DIRECTORY FILE-THAT-PROVES-IT PACKAGE…
fetch() {
  local directory=build/peers/$1 proof=$2
  shift 2
  compgen -G "$directory/$proof" >/dev/null && return
  echo "fetching $* from PyPI"
  if ! { $python -m venv "$directory" &&
    "$directory/bin/pip" install --quiet --disable-pip-version-check --timeout 20 --retries 1 "$@"; } \
    >"$directory.log" 2>&1 || ! compgen -G "$directory/$proof" >/dev/null; then
    echo "not available: $* ($(tail -n 1 "$directory.log"))" | tee -a $problems >&2
    rm -rf "$directory"
  fi
}

fetch ort 'lib/python3*/site-packages/onnxruntime' onnxruntime onnx
[ "${1:-}" = ort ] && exit 0
fetch onednn 'include/oneapi/dnnl/dnnl.hpp' onednn-cpu-gomp onednn-devel-cpu-gomp
exit 0
