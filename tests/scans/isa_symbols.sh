#!/bin/bash
# Objects compiled for one instruction set define no weak symbol. The linker keeps one copy of an
# inline function or template for the whole program; if it kept the one compiled with AVX-512, a CPU
# without it would crash far from any kernel. Reads BUILD and CXX; prints "pass|fail|skip" lines.
set -uo pipefail
cd "$(dirname "$0")/../.."
: "${BUILD:=build/g++}" "${CXX:=g++}" "${SAN:=}"

if [ -n "$SAN" ]; then
  echo "skip isa-symbols: sanitizer builds inline less; the normal build is scanned"
  exit 0
fi

# Defined weak functions (W), weak objects (V) and GNU unique objects (u).
weak_symbols() { nm -C "$1" | grep -E '^[0-9a-f]+ [WVu] '; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0
for code in 'inline int g(int x) { return x + 1; } int (*f())(int) { return g; }' \
  'template <class T> struct S { static T value; }; template <class T> T S<T>::value; int* f() { return &S<int>::value; }'; do
  echo "$code" >"$scratch/probe.cpp"
  if ! $CXX -std=c++20 -O2 -c "$scratch/probe.cpp" -o "$scratch/probe.o" ||
    ! weak_symbols "$scratch/probe.o" >/dev/null; then
    echo "fail isa-symbols: the scanner does not see the weak symbol of: $code"
    failures=1
  fi
done
[ $failures = 0 ] && echo "pass isa-symbols: the scanner finds weak symbols where there are some"

for source in $(find core nn quant distill data -name '*_avx2.cpp' -o -name '*_avx512*.cpp' -o -name '*_amx.cpp' 2>/dev/null | sort); do
  object=$BUILD/${source%.cpp}.o
  if found=$(weak_symbols "$object") || [ ! -f "$object" ]; then
    echo "$found"
    echo "fail isa-symbols: $object"
    failures=1
  else
    echo "pass isa-symbols: $object"
  fi
done
exit $failures
