#!/bin/bash
# Feeds every fuzzing harness: tests/fuzz/run.sh BUILD SECONDS [HARNESS…]. Called by `make fuzz`.
# Each runs SECONDS s (0: its seeds and what earlier runs kept, once), or RUNS inputs if that is set.
# What is found lies in BUILD/findings/; inputs that reach new code are kept in BUILD/corpus/.
# FUZZ_ARGS: further options of libFuzzer. The limit of 2 s is by the clock: on a machine with much
# other work FUZZ_ARGS=-timeout=20.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=$1 seconds=$2
shift 2
if [ $# = 0 ]; then
  for program in "$build"/fuzz_*; do
    case $program in *.*) ;; *) set -- "$@" "${program##*/fuzz_}" ;; esac
  done
fi
limits="-timeout=2 -rss_limit_mb=1024 -malloc_limit_mb=1024"
export ASAN_OPTIONS="quarantine_size_mb=32:allocator_may_return_null=0:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}"
export OMP_WAIT_POLICY=passive
launcher=()
if setarch "$(uname -m)" -R true 2>/dev/null; then launcher=(setarch "$(uname -m)" -R); fi

executions=0 failed=0
for harness in "$@"; do
  corpus=$build/corpus/$harness seeds=tests/fuzz/seeds/$harness
  mkdir -p "$corpus" "$build/findings"
  [ "$seconds" = 0 ] && [ -z "${RUNS:-}" ] && runs=0 || runs=${RUNS:--1}
  log=$build/findings/$harness.log
  "${launcher[@]}" "$build/fuzz_$harness" $limits -runs="$runs" -max_total_time="$seconds" \
    -print_final_stats=1 -artifact_prefix="$build/findings/$harness-" \
    ${FUZZ_ARGS:-} "$corpus" "$seeds" >"$log" 2>&1
  status=$?
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  slowest=$(sed -n 's/^stat::slowest_unit_time_sec: *//p' "$log")
  peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
  printf '%-10s %12s runs, slowest %s s, at most %s MB: %s\n' "$harness" "${count:-?}" \
    "${slowest:-?}" "${peak:-?}" "$([ $status = 0 ] && echo ok || echo "FOUND, see $log")"
  executions=$((executions + ${count:-0}))
  [ $status = 0 ] || failed=$((failed + 1))
done
echo "fuzz: $executions runs, $failed of $# harnesses with findings"
[ $failed = 0 ]
