#!/bin/bash
# The exported C of a model against the engine, logit by logit, on the test images of its dataset:
# tests/export_c.sh MODEL [PROGRAM]. Every compiler that is there, LEVELS (-O0 -O2); on Cortex-M3, M4 and M7
# under qemu the first BOARD_IMAGES (100) images, in FLASH (128K) and RAM (32K). DATA: directory of
# the dataset if it is not where the model's images were.
set -euo pipefail
cd "$(dirname "$0")/.."
model=$1
program=${2:-build/g++/intandem}
sources=$PWD/tests/export
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$model" "$work/net.safetensors"
"$program" export "$work/net.safetensors" --c "$work" | tail -n 3
"$program" eval "$work/net.safetensors" --logits "$work/logits.npy" --pixels "$work/pixels.npy" \
  ${DATA:+--data-dir "$DATA"} | sed -n 1p
cd "$work"
number() { sed -n "s/^#define NET_$1 //p" net.h; }
bytes=$(number IMAGE_BYTES) classes=$(number CLASSES)
# A .npy file is a header, whose length is at byte 8, and the numbers.
numbers_of() { tail -c +$((11 + $(od -An -t u2 -j 8 -N 2 "$1"))) "$1"; }
numbers_of logits.npy >engine.raw
numbers_of pixels.npy >images.raw
images=$(($(stat -c %s images.raw) / bytes))

failures=0
compare() { # NAME IMAGES: logits.raw with the engine's
  local count=$(($2 * classes)) differences
  if [ "$(stat -c %s logits.raw)" != $((count * 4)) ]; then
    differences=all
  else
    differences=$({ cmp -l logits.raw <(head -c $((count * 4)) engine.raw) || true; } |
      awk '{seen[int(($1 - 1) / 4)] = 1} END {print length(seen)}')
  fi
  echo "$1: $2 images, $count logits, $differences differences"
  [ "$differences" = 0 ] || failures=1
}

for compiler in gcc clang; do
  command -v $compiler >/dev/null || { echo "$compiler: not there, skipped"; continue; }
  for level in ${LEVELS:--O0 -O2}; do
    $compiler -std=c99 -pedantic -Wall -Wextra -Wconversion -Werror $level -include net.h net.c \
      "$sources/host.c" -o net
    ./net <images.raw >logits.raw
    compare "$compiler $level" "$images"
  done
done

for tool in arm-none-eabi-gcc qemu-system-arm; do
  command -v $tool >/dev/null || { echo "$tool: not there, Cortex-M skipped"; exit $failures; }
done
some=${BOARD_IMAGES:-100}
[ "$some" -lt "$images" ] || some=$images
mkdir board
head -c $((some * bytes)) images.raw >board/images.raw
while read -r cpu machine; do
  arm-none-eabi-gcc -std=c99 -Os -ffreestanding -nostdlib -mthumb -mcpu=$cpu -include net.h \
    -T "$sources/board.ld" -Wl,--defsym=flash_bytes=${FLASH:-128K} \
    -Wl,--defsym=ram_bytes=${RAM:-32K} net.c "$sources/board.c" -o net.elf
  (cd board && timeout 600 qemu-system-arm -M $machine -icount shift=0,sleep=off -nographic \
    -semihosting-config enable=on,target=native -kernel ../net.elf </dev/null)
  mv board/logits.raw .
  compare "$cpu, flash ${FLASH:-128K}, RAM ${RAM:-32K}" "$some"
  read -r stack ticks < <(od -An -t u4 board/cost.raw)
  echo "$cpu: $(arm-none-eabi-size net.elf | awk 'NR == 2 {print $1 + $2 " bytes of flash, " $3 - 1024}')" \
    "bytes of RAM, a stack of $stack bytes, $((ticks * 40 / 1000)) thousand instructions per image"
done <<<"cortex-m3 mps2-an385
cortex-m4 mps2-an386
cortex-m7 mps2-an500"
exit $failures
