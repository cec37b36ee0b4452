#!/bin/bash
# From PyTorch to integers and out again, on CIFAR-10 (docs/exchange.md):
#
#   make && tests/exchange/exchange.sh DATA [WORK]
#
# DATA: CIFAR-10, binary version or train/<class>/ and test/<class>/ folders of images. WORK (default
# build/exchange) keeps everything; what is there is not made again. Four networks are trained a
# little in PyTorch (python3-torch), exported to ONNX, imported, checked against PyTorch's logits of
# 1,000 images, distilled at W4A4, and exported; then the logits of the engine, of ONNX Runtime (a
# venv from PyPI; else numpy on LIMIT=200 images) and of the C program on all test images are
# compared, and a table of it printed. Exit code 1 if one differs. Variables: NETWORKS, WIDTH, STEPS, LIMIT, THREADS, INTANDEM.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${1:?usage: tests/exchange/exchange.sh DATA [WORK]}
work=${2:-build/exchange}
networks=${NETWORKS:-alexnet-cifar vgg-small-bn resnet20 mobilenetv1-small}
threads=${THREADS:-0}
intandem=${INTANDEM:-build/g++/intandem}
python=${PYTHON:-/usr/bin/python3}
tools=tests/exchange
# Both commands must read the images in the same way.
mean=0.4914,0.4822,0.4465 std=0.2470,0.2435,0.2616
mkdir -p "$work"
say() { echo "== $*"; }

if [ -d "$data/train" ]; then
  [ -f "$work/cifar10/test_batch.bin" ] || $python $tools/cifar.py "$data" "$work/cifar10"
  data=$work/cifar10
fi

missing=""
for name in $networks; do [ -f "$work/torch/$name.onnx" ] || missing+=${missing:+,}$name; done
if [ -n "$missing" ]; then
  say "training in PyTorch: $missing"
  $python $tools/train_networks.py "$data" "$work/torch" --networks "$missing" \
    --steps "${STEPS:-200}" --width "${WIDTH:-0.25}"
fi

ort_python=${ORT_PYTHON:-}
if [ -z "$ort_python" ]; then
  bench/peers/setup_venv.sh ort || true
  ort_python=build/peers/ort/bin/python
fi
if "$ort_python" -c 'import onnxruntime, onnx' 2>/dev/null; then
  compare=("$ort_python" $tools/compare_logits.py --ort)
  limit=0
else
  say "no ONNX Runtime: the graphs are run in numpy on ${LIMIT:-200} images"
  compare=("$python" $tools/compare_logits.py)
  limit=${LIMIT:-200}
fi
limit=${LIMIT:-$limit}

failed=0
mkdir -p "$work/out" "$work/runs"
for name in $networks; do
  run=$work/runs/$name out=$work/out
  if [ ! -f "$run/teacher.safetensors" ]; then
    say "$name: import"
    "$intandem" import "$work/torch/$name.onnx" --run "$run" --overwrite --mean $mean --std $std \
      --dataset cifar10 --data-dir "$data" --check "$work/torch/$name.logits.npy" \
      --images "$work/torch/images.npy" --tolerance 1e-4 --threads "$threads" | tee "$run.import.txt"
  fi
  if ! [ -f "$run/w4a4.safetensors" ]; then
    say "$name: distil"
    "$intandem" distill --run "$run" --overwrite --images "${IMAGES:-2000}" --epochs-per-stage 1 \
      --joint-epochs 2 --calibration-images 500 --threads "$threads" --quiet
  fi
  say "$name: export"
  "$intandem" export "$run/w4a4.safetensors" --onnx "$out/$name.onnx" --qdq "$out/$name.qdq.onnx"
  "$intandem" export "$run/w4a4.safetensors" --c "$out/$name" | tail -n 3
  "$intandem" eval "$run/w4a4.safetensors" --limit "$limit" --threads "$threads" \
    --logits "$out/$name.logits.npy" | tee "$out/$name.txt"
  $python - "$data" "$limit" "$out/$name.images.npy" <<'END'
import sys
sys.path.insert(0, "tests/exchange")
import cifar, numpy
images, _ = cifar.read(sys.argv[1], "test")
numpy.save(sys.argv[3], images[:int(sys.argv[2]) or None].transpose(0, 2, 3, 1).copy())
END
  "${compare[@]}" "$out" "$name" | tee -a "$out/$name.txt" || failed=1
  $python $tools/compare_c.py "$out/$name" w4a4 "$out/$name.images.npy" "$out/$name.logits.npy" |
    tee -a "$out/$name.txt" || failed=1
done
$python $tools/table.py "$work" $networks
[ $failed = 0 ] && say "engine, ONNX and C give the same logits everywhere"
exit $failed
