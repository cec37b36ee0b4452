#!/bin/bash
# Runs the commands of the examples in the documentation again and puts their output in place:
# docs/refresh_examples.sh PROGRAM [FILE…]. An example is a block ```console whose first line is
# "$ intandem …"; what follows, up to ```, is what the program says. Without files: docs/trace.md.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/.."
shift
[ $# -gt 0 ] || set -- docs/trace.md
for file in "$@"; do
  while IFS= read -r line; do
    case $line in
      '$ intandem '*)
        printf '%s\n' "$line"
        read -ra words <<<"${line#\$ intandem }"
        "$program" "${words[@]}" 2>/dev/null </dev/null
        while IFS= read -r line && [ "$line" != '```' ]; do :; done
        printf '%s\n' '```'
        ;;
      *) printf '%s\n' "$line" ;;
    esac
  done <"$file" >"$file.tmp"
  mv "$file.tmp" "$file"
done
