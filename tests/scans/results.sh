#!/bin/bash
# The pages of results hold what the benchmarks' JSON files say and nothing else.
set -uo pipefail
cd "$(dirname "$0")/../.."
if ! command -v python3 >/dev/null; then
  echo "skip results: no python3"
  exit 0
fi
if found=$(bench/make_results.py --check 2>&1); then
  echo "pass results: docs/results*.md are those of bench/results"
else
  echo "  $found"
  echo "fail results: docs/results*.md (see above)"
  exit 1
fi
