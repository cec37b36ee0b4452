#!/bin/bash
# Two minutes of the demo on a subset, with assertions: apps/smoke.sh PROGRAM [DATA_DIR].
# The teacher must learn, the W4A4 student must keep it, and no integer may differ.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
data=${2:-$(.ci/deps data-dir)}
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT

"$program" train --run "$run" --config apps/configs/fashion-teacher.json --data-dir "$data" \
  --limit 8000 --held-out 1000 --epochs 3 --lr 0.05 --overwrite
"$program" baseline --run "$run" --config apps/configs/fashion-w4a4.json --overwrite
"$program" distill --run "$run" --config apps/configs/fashion-w4a4.json --overwrite
"$program" verify --run "$run" --name w4a4
"$program" report --run "$run"

# figure KEY: a number from results.json; python3 is not part of a fresh Debian, sed is.
figure() { sed -n "s/^  \"$1\": \(-\?[0-9.]*\),\?$/\1/p" "$run/results.json" | head -n 1; }
at_least() { # NAME VALUE LIMIT
  if awk -v a="${2:-nan}" -v b="$3" 'BEGIN { exit !(a + 0 >= b && a == a + 0) }'; then
    echo "smoke: $1 $2 >= $3"
  else
    echo "smoke: $1 is '${2:-missing}', expected at least $3" >&2
    exit 1
  fi
}
teacher=$(figure teacher_top1)
student=$(figure student_top1)
at_least teacher_top1 "$teacher" 78
at_least student_top1 "$student" "$(awk -v t="$teacher" 'BEGIN { print t - 1.5 }')"
at_least images "$(figure images)" 8000
[ "$(figure mismatches)" = 0 ] || { echo "smoke: mismatches '$(figure mismatches)'" >&2; exit 1; }
[ -s "$run/report.html" ] || { echo "smoke: no report.html" >&2; exit 1; }
echo "smoke: all good"
