#!/bin/bash
# The smallest part of the claim, on CIFAR-10 (`make claim`): apps/claim.sh PROGRAM.
# One teacher, W2A2, one seed: folded without training, all layers at once, tandem; then the table.
# Environment: DATA (directory with CIFAR-10, binary version or train/ and test/ folders of images;
# default: build/data, fetched if need be), RUN (default runs/claim-small).
# Stopped at any moment, it goes on when started again.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
run=${RUN:-runs/claim-small}

if [ -z "${DATA:-}" ]; then
  found=$(data/fetch_cifar10.sh build/data) || {
    echo "intandem: note: no CIFAR-10, nothing to train on; make claim DATA=DIR takes it from a" \
      "directory (binary version, or train/ and test/ folders)" >&2
    exit 1
  }
  found=$(tail -n 1 <<<"$found")
  dataset=${found%% *}
  data=${found#* }
else
  data=$DATA
  if [ -d "$data/cifar-10-batches-bin" ] || [ -f "$data/test_batch.bin" ]; then
    dataset=cifar10
  elif [ -d "$data/train" ]; then
    dataset=image-folder
  else
    echo "intandem: error: $data: holds neither CIFAR-10's binary version nor train/ and test/" \
      "folders; check DATA" >&2
    exit 1
  fi
fi
exec "$program" sweep apps/configs/cifar10-small.json --run "$run" --dataset "$dataset" \
  --data-dir "$data"
