#!/bin/bash
# Kills one rank of `train` and `distill` under mpirun with SIGKILL at random moments, some of them
# while a checkpoint is being written, resumes each time with another number of ranks, and compares
# what they leave with an undisturbed run of one process: every file and every figure, bit for bit.
#
#   tests/kill_ranks.sh PROGRAM [KILLS [SEED [DATA]]]
#
# PROGRAM: build/g++/intandem. KILLS: in all, default 100. DATA: a Fashion-MNIST directory (default:
# Debian's). The log, one line per kill, goes to standard output; the directories to a temporary
# place, kept if anything differs. Exit code 0: all the same, and every kill ended its job within
# 30 s with a line that names the rank.
set -uo pipefail
[ $# -ge 1 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2; }
program=$(realpath "$1")
kills=${2:-100}
RANDOM=${3:-1}
data=$(realpath "${4:-/usr/share/datasets/fashion-mnist}")
place=$(mktemp -d "${TMPDIR:-/tmp}/kill-ranks.XXXXXX")
. "$(dirname "$0")/kill_common.sh"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_WAIT_POLICY=passive

command -v mpirun >/dev/null || fail "no mpirun"
# A checkpoint after every step: many of the kills fall into one.
train=(train --data-dir "$data" --limit 1200 --held-out 200 --width 0.1 --epochs 3 --batch 50
  --lr 0.05 --threads 1 --shards 4 --checkpoint-every 1 --quiet)
distill=(distill --epochs-per-stage 1 --evals-per-stage 2 --joint-epochs 1 --joint-evals 2
  --calibration-images 200 --batch 50 --threads 1 --shards 4 --checkpoint-seconds 0.1 --quiet)
ranks() { # N COMMAND...
  local n=$1
  shift
  exec mpirun -np "$n" --oversubscribe --bind-to none "$program" "$@"
}

"$program" "${train[@]}" --run "$place/whole" >/dev/null || fail "train failed"
"$program" "${distill[@]}" --run "$place/whole" >/dev/null || fail "distill failed"
figures "$place/whole" >"$place/whole.figures"
begin=$(milliseconds)
(ranks 2 "${train[@]}" --run "$place/timing") >/dev/null || fail "train on 2 ranks failed"
train_ms=$(($(milliseconds) - begin))
begin=$(milliseconds)
(ranks 2 "${distill[@]}" --run "$place/timing") >/dev/null || fail "distill on 2 ranks failed"
distill_ms=$(($(milliseconds) - begin))
echo "undisturbed on 2 ranks: train $train_ms ms, distill $distill_ms ms"

done_kills=0 in_checkpoint=0 rounds=0 slowest_ms=0
disturb() { # RANGE_MS RUN COMMAND...
  local range_ms=$1 run=$2 more=() n launcher wait_ms victims victim status begin ms mid look half
  shift 2
  while :; do
    draw 3
    n=$((2 + drawn)) # 2 … 4 ranks
    if [ "$done_kills" -ge "$kills" ]; then
      (ranks "$n" "$@" --run "$run" "${more[@]}") >"$place/out" 2>"$place/err" || fail "$1 --resume failed: $(cat "$place/err")"
      return
    fi
    (ranks "$n" "$@" --run "$run" "${more[@]}") >"$place/out" 2>"$place/err" &
    launcher=$!
    wait_randomly "$range_ms"
    victims=() victim='' mid=''
    read -ra victims 2>/dev/null <"/proc/$launcher/task/$launcher/children" # what mpirun has started
    if [ "${#victims[@]}" -gt 0 ]; then
      draw ${#victims[@]}
      victim=${victims[drawn]}
      draw 2
      if [ "$drawn" = 0 ]; then # the writer, as soon as a checkpoint is half written
        victim=${victims[0]}
        for ((look = 0; look < 20000; ++look)); do # builtins alone: it takes a few milliseconds
          half=("$run"/*.checkpoint.tmp."$victim")
          [ -e "${half[0]}" ] && mid=", a checkpoint half written" && break
        done
      fi
      kill -KILL "$victim" 2>/dev/null
    fi
    begin=$(milliseconds)
    wait "$launcher" 2>/dev/null
    status=$?
    ms=$(($(milliseconds) - begin))
    if [ $status = 0 ]; then return; fi
    [ -n "$victim" ] || fail "$1 ended with $status: $(cat "$place/err")"
    grep -Eq 'rank [0-9]+ .*(signal 9|Killed)|has not been heard of' "$place/err" ||
      fail "no line names the killed rank: $(cat "$place/err")"
    [ "$ms" -le 30000 ] || fail "the job ended $ms ms after the kill"
    ! pgrep -P "$launcher" >/dev/null 2>&1 || fail "processes are left"
    [ "$ms" -le "$slowest_ms" ] || slowest_ms=$ms
    done_kills=$((done_kills + 1))
    [ -z "$mid" ] || in_checkpoint=$((in_checkpoint + 1))
    more=(--resume)
    widen_range "$run"
    echo "kill $done_kills: one of $n ranks of $1 after $wait_ms ms$mid; ended in $ms ms, $(log_lines "$run") log lines"
  done
}

while [ "$done_kills" -lt "$kills" ]; do
  rounds=$((rounds + 1))
  run=$place/round-$rounds
  disturb "$train_ms" "$run" "${train[@]}"
  same_teacher "$run"
  disturb "$distill_ms" "$run" "${distill[@]}"
  same_student "$run"
  echo "round $rounds: same models and figures, bit for bit"
  rm -rf "$run"
done
rm -rf "$place"
echo "$done_kills kills in $rounds runs, $in_checkpoint during a checkpoint, 0 differences; slowest end $slowest_ms ms"
