#!/bin/bash
# The main job of `make demo`: apps/demo.sh PROGRAM DATA_DIR.
# Teacher → baselines → W4A4 and W2A2 students → integers → verification → table and report.
# Environment: RUN (run directory, default runs/demo), RESUME=1 (go on after an interruption).
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
data=$2
run=${RUN:-runs/demo}
mode=--overwrite
[ -z "${RESUME:-}" ] || mode=--resume

step() {
  echo "+ $*" >&2
  "$@"
}

step "$program" train --run "$run" --config apps/configs/fashion-teacher.json --data-dir "$data" $mode
for bits in 4 2; do
  student=w${bits}a${bits}
  config=apps/configs/fashion-$student.json
  step "$program" baseline --run "$run" --config $config $mode
  step "$program" distill --run "$run" --config $config $mode
  step "$program" verify --run "$run" --name $student
done
step "$program" eval "$run/w4a4.safetensors" --data-dir "$data"
step "$program" report --run "$run"
