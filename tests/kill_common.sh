# What kill_resume.sh and kill_ranks.sh share; sourced by both, after they have set `place`.

fail() {
  echo "$(basename "$0" .sh): $* (files in $place)" >&2
  exit 1
}
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
# All figures but the times, and the log line by line without them.
figures() { # RUN
  sed -E 's/"(seconds|[a-z]*_seconds|seconds_[a-z]*)": ?[0-9.e+-]+/"\1": 0/g' "$1/results.json" "$1/log.jsonl"
}
log_lines() { cat "$1/log.jsonl" 2>/dev/null | wc -l; } # RUN

# Sets `drawn` to a number below N. Not in a subshell, where bash would forget the seed of RANDOM.
draw() { drawn=$(((RANDOM * 32768 + RANDOM) % $1)); } # N
# Waits for a random time up to RANGE_MS, which is left in wait_ms.
wait_randomly() { # RANGE_MS
  draw $(($1 + 1))
  wait_ms=$drawn
  sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
}
# range_ms grows while no kill comes after a checkpoint: on a machine that has become slower nothing
# would ever get past reading the images.
widen_range() { # RUN
  ls "$1"/*.checkpoint >/dev/null 2>&1 || range_ms=$((range_ms * 5 / 4))
}

same_teacher() { cmp "$place/whole/teacher.safetensors" "$1/teacher.safetensors" || fail "the teachers differ"; } # RUN
# The student's files and all figures are those of the undisturbed run, and no checkpoint is left.
same_student() { # RUN
  local file
  for file in w4a4.safetensors w4a4.student.safetensors w4a4.samples.json; do
    cmp "$place/whole/$file" "$1/$file" || fail "$file differs"
  done
  figures "$1" | diff - "$place/whole.figures" >"$place/difference" || fail "figures differ: $(head -n 5 "$place/difference")"
  if ls "$1"/*.checkpoint >/dev/null 2>&1; then fail "a checkpoint is left"; fi
}
