#!/bin/bash
# Proof by disassembly that the integer engine computes in integers. Every object of quant/integer
# may hold no floating-point instruction; the reference engine no vector or x87 register at all.
# Reads BUILD and CXX; prints "pass|fail|skip NAME" lines. The scanner is first tried on functions
# that do use floating point.
set -uo pipefail
cd "$(dirname "$0")/../.."
: "${BUILD:=build/g++}" "${CXX:=g++}" "${SAN:=}"

case $($CXX -dumpmachine) in
  x86_64*) ;;
  *) echo "skip no-float: the scanner reads x86-64 code only"; exit 0 ;;
esac
if [ -n "$SAN" ]; then
  echo "skip no-float: sanitizer builds are instrumented; the normal build is scanned"
  exit 0
fi

# Prints the floating-point instructions of an object file.
#  - x87 and 3DNow!: every mnemonic that starts with f or pf.
#  - SSE/AVX: packed-integer mnemonics start with p after the v (paddd, vpdpbusd, vpabsd), so what
#    is left and ends in ps, pd, ss, sd, ph, sh (or converts) works on floats. Allowed among these
#    are moves, shuffles and bitwise logic: compilers use movaps, movups, movsd, xorps, shufps,
#    blendvps, … to copy, clear and permute integer registers because their encodings are shorter
#    or the only ones of their width. They move bits and cannot add, multiply, round or compare.
#  - AMX: tdpbusd and its siblings of other signs multiply bytes; tdpbf16ps and tdpfp16ps are found.
float_instructions() {
  objdump -d --no-show-raw-insn "$1" | awk -F'\t' '
    function is_move(op) {
      return op ~ /^(mov(a|u|nt|h|l|hl|lh)?p[sd]|movs[sdh]|movddup|movs[hl]dup|movmskp[sd])$/ ||
             op ~ /^((and|andn|or|xor)p[sd]|shufp[sd]|unpck[hl]p[sd]|blendv?p[sd]|blendmp[sd])$/ ||
             op ~ /^(broadcasts[sd]|insertps|extractps|maskmovp[sd]|compressp[sd]|expandp[sd])$/ ||
             op ~ /^(gather[dq]p[sd]|scatter[dq]p[sd]|testp[sd])$/
    }
    NF >= 2 && $1 ~ /^ *[0-9a-f]+:$/ {
      n = split($2, word, / +/); i = 1
      while (i < n && word[i] ~ /^(rep|repz|repnz|lock|data16|bnd|notrack|[cdefgs]s|rex.*|\{.*\})$/) ++i
      op = word[i]
      if (op ~ /^f/ || op ~ /^pf/ || op ~ /^pi2f/) { print; next }
      sub(/^v/, "", op)
      if (op ~ /^p/ || op ~ /^clflush/ || op ~ /^tdpb[us][us]d$/) next
      if (op ~ /cvt/ || (op ~ /(p[sdh]|s[sdh])[xyz]?$/ && !is_move(op))) print
    }'
}
# Prints the instructions that name a vector, mask or x87 register.
vector_registers() {
  objdump -d --no-show-raw-insn "$1" | grep -E '%([xyz]mm[0-9]|k[0-7]|st|mm[0-7])'
}

failures=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# probe found|clean SCANNER CODE [FLAGS]
probe() {
  printf '%s\n' "$3" >"$scratch/probe.cpp"
  # shellcheck disable=SC2086
  if ! $CXX -std=c++20 -O2 ${4:-} -c "$scratch/probe.cpp" -o "$scratch/probe.o"; then
    echo "fail no-float: the probe does not compile: $3"
    failures=1
    return
  fi
  local seen=clean
  [ -z "$($2 "$scratch/probe.o")" ] || seen=found
  [ $seen = "$1" ] && return
  echo "fail no-float: $2 should say '$1' for: $3"
  failures=1
}
probe found float_instructions 'float f(float a, float b) { return a * b; }'
probe found float_instructions 'float f(float a, float b) { return a * b; }' -mavx512f
probe found float_instructions 'int f(double x) { return static_cast<int>(x); }'
probe found float_instructions 'double f(unsigned x) { return x; }' -mavx512f
probe found float_instructions 'bool f(float a, float b) { return a < b; }'
probe found float_instructions 'long double f(long double a) { return a + a; }'
probe found float_instructions 'void f(float* p) { for (int i = 0; i < 64; ++i) p[i] += 1; }' -mavx2
probe found float_instructions 'float f(float x) { return __builtin_sqrtf(x); }' -fno-math-errno
probe found float_instructions 'void f() { asm volatile("tdpbf16ps %tmm0, %tmm1, %tmm2"); }'
probe clean float_instructions 'void f() { asm volatile("tdpbusd %tmm0, %tmm1, %tmm2"); }'
probe clean float_instructions 'int f(const int* p) { int s = 0; for (int i = 0; i < 64; ++i) s += p[i] > 3 ? p[i] * 5 : 7; return s; }' -O3
probe clean float_instructions 'struct S { long a, b, c, d; }; void f(S* x, S* y) { *x = *y; *y = {}; }'
probe found vector_registers 'int f(const int* p) { int s = 0; for (int i = 0; i < 64; ++i) s += p[i]; return s; }' '-O3 -mavx2'
probe clean vector_registers 'int f(const int* p) { int s = 0; for (int i = 0; i < 64; ++i) s += p[i]; return s; }' -mgeneral-regs-only
[ $failures = 0 ] && echo "pass no-float: the scanner finds floating point where there is some"

objects=$(find "$BUILD/quant/integer" -name '*.o' 2>/dev/null | sort)
if [ -z "$objects" ]; then
  echo "fail no-float: no object of quant/integer in $BUILD"
  exit 1
fi
references=0
for object in $objects; do
  source=${object#"$BUILD"/}
  [ -f "${source%.o}.cpp" ] || continue # left behind by a source that is gone
  found=$(float_instructions "$object")
  case $object in
    *_ref.o)
      # clang++ cannot compile it without vector registers (Makefile); it copies structs with them.
      case $CXX in *clang*) ;; *) found+=$(vector_registers "$object") ;; esac
      references=$((references + 1))
      ;;
  esac
  if [ -n "$found" ]; then
    head -n 5 <<<"$found"
    echo "fail no-float: $object ($(wc -l <<<"$found") instructions)"
    failures=1
  else
    echo "pass no-float: $object"
  fi
done
if [ $references = 0 ]; then
  echo "fail no-float: no reference engine (*_ref.o) among the objects"
  failures=1
fi
exit $failures
