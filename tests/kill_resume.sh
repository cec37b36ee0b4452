#!/bin/bash
# Kills `train` and `distill` with SIGKILL at random moments, resumes them each time, and compares
# what they leave with a run that nobody disturbed: every model file and every figure, bit for bit.
#
#   tests/kill_resume.sh PROGRAM [KILLS [SEED [DATA]]]
#
# PROGRAM: build/g++/intandem. KILLS: in all, default 100. DATA: a Fashion-MNIST directory (default:
# Debian's). KILL_RESUME_FLAGS: further flags of both commands. The log, one line per kill, goes to
# standard output; the directories to a temporary place, kept if anything differs. Exit code 0: all
# the same.
set -uo pipefail
[ $# -ge 1 ] || { sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2; }
program=$(realpath "$1")
kills=${2:-100}
RANDOM=${3:-1}
data=$(realpath "${4:-/usr/share/datasets/fashion-mnist}")
place=$(mktemp -d "${TMPDIR:-/tmp}/kill-resume.XXXXXX")
. "$(dirname "$0")/kill_common.sh"

exec= # "exec": the program takes the place of its shell, so that waiting for one is waiting for both
read -ra more <<<"${KILL_RESUME_FLAGS:-}"
train() { # RUN FLAGS...
  local run=$1
  shift
  $exec "$program" train --run "$run" --data-dir "$data" --limit 1200 --held-out 200 --width 0.1 --epochs 3 \
    --batch 50 --lr 0.05 --threads 1 --checkpoint-every 2 --quiet "${more[@]}" "$@"
}
distill() { # RUN FLAGS...
  local run=$1
  shift
  $exec "$program" distill --run "$run" --epochs-per-stage 1 --evals-per-stage 2 --joint-epochs 1 \
    --joint-evals 2 --calibration-images 200 --batch 50 --threads 1 --checkpoint-seconds 0.1 \
    --quiet "${more[@]}" "$@"
}

begin=$(milliseconds)
train "$place/whole" >"$place/train.out" || fail "train failed"
train_ms=$(($(milliseconds) - begin))
begin=$(milliseconds)
distill "$place/whole" >"$place/distill.out" || fail "distill failed"
distill_ms=$(($(milliseconds) - begin))
figures "$place/whole" >"$place/whole.figures"
echo "undisturbed: train $train_ms ms, distill $distill_ms ms; $(tail -n 1 "$place/distill.out")"

done_kills=0 rounds=0
# Runs one command to its end, killing it and resuming it on the way.
disturb() { # COMMAND MS RUN
  local command=$1 range_ms=$2 run=$3 flags=() status wait_ms child
  while :; do
    if [ "$done_kills" -ge "$kills" ]; then
      "$command" "$run" "${flags[@]}" >"$place/$command.again" || fail "$command --resume failed"
      return
    fi
    (exec=exec && "$command" "$run" "${flags[@]}") >"$place/$command.again" 2>"$place/$command.err" &
    child=$!
    wait_randomly "$range_ms" # anywhere in the command, reading images and writing results included
    kill -KILL "$child" 2>/dev/null
    wait "$child" 2>/dev/null
    status=$?
    if [ $status = 0 ]; then return; fi
    [ $status = 137 ] || fail "$command ended with $status: $(cat "$place/$command.err")"
    done_kills=$((done_kills + 1))
    flags=(--resume)
    widen_range "$run"
    echo "kill $done_kills: $command after $wait_ms ms, $(log_lines "$run") log lines," \
      "$(ls "$run" 2>/dev/null | grep -c 'checkpoint$') checkpoint"
  done
}

while [ "$done_kills" -lt "$kills" ]; do
  rounds=$((rounds + 1))
  run=$place/round-$rounds
  disturb train "$train_ms" "$run"
  same_teacher "$run"
  disturb distill "$distill_ms" "$run"
  same_student "$run"
  echo "round $rounds: same models and figures, bit for bit"
  rm -rf "$run"
done
rm -rf "$place"
echo "$done_kills kills in $rounds runs, 0 differences"
