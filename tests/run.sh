#!/bin/bash
# Runs every test and ends with the tally, "N passed, N failed". Called by `make test`, which sets
# BUILD (build/<variant>), BIN (the program), CXX, SAN and TEST (a Catch2 test selection).
set -uo pipefail
cd "$(dirname "$0")/.."
export BUILD CXX SAN INTANDEM_BIN="${BIN:-}"
log=$(mktemp)
# Plans that tests measure are kept here, not in the user's cache.
XDG_CACHE_HOME=$(mktemp -d)
export XDG_CACHE_HOME
trap 'rm -rf "$log" "$XDG_CACHE_HOME"' EXIT
export INTANDEM_TEST_LOG=$log

launcher=()
case ",$SAN," in
  *,thread,*)
    # Archer tells ThreadSanitizer about OpenMP's barriers; without it every parallel loop looks
    # like a race. libomp itself is not instrumented.
    archer=$($CXX -print-resource-dir)/../../libarcher.so
    if [ ! -f "$archer" ]; then
      echo "intandem: error: $archer: missing; install libomp-dev of this clang" >&2
      exit 1
    fi
    export OMP_TOOL_LIBRARIES=$archer
    export TSAN_OPTIONS="ignore_noninstrumented_modules=1:halt_on_error=0:exitcode=66 ${TSAN_OPTIONS:-}"
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}
    ;;
esac
if [ -n "$SAN" ] && setarch "$(uname -m)" -R true 2>/dev/null; then
  # With more than 28 random address bits the sanitizers' shadow memory does not fit.
  launcher=(setarch "$(uname -m)" -R)
fi
# Threads that wait must not keep the others from a processor: the machine may have other work.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export UBSAN_OPTIONS="print_stacktrace=1 ${UBSAN_OPTIONS:-}"

"${launcher[@]}" "$BUILD/intandem_tests" ${TEST:+"$TEST"}
status=$?
if [ $status != 0 ] && ! grep -q '^fail ' "$log"; then
  last=$(grep '^start ' "$log" | tail -n 1)
  echo "fail the test program ended with status $status (last test: ${last#start })" | tee -a "$log"
fi

if [ -z "${TEST:-}" ]; then
  for scan in layering no_float isa_symbols results links; do
    tests/scans/$scan.sh >"$log.scan" 2>&1
    status=$?
    cat "$log.scan"
    grep -E '^(pass|fail|skip) ' "$log.scan" >>"$log"
    if [ $status != 0 ] && ! grep -q '^fail ' "$log.scan"; then
      echo "fail tests/scans/$scan.sh ended with status $status" | tee -a "$log"
    fi
    rm -f "$log.scan"
  done
fi

passed=$(grep -c '^pass ' "$log")
failed=$(grep -c '^fail ' "$log")
skipped=$(grep -c '^skip ' "$log")
[ $((passed + failed)) -gt 0 ] || failed=1 # a run that tests nothing has not passed
grep '^fail ' "$log" >&2
echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
[ "$failed" = 0 ]
