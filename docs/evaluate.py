#!/usr/bin/env python3
"""Runs an integer model with numpy: evaluate.py MODEL.safetensors IMAGES.npy LOGITS.npy

Images are uint8 [N][H][W][C], logits int32 [N][classes], the same as the engine's. All of format
versions 1 and 2 (docs/formats.md) is covered; Q3 to Q18 are equations of docs/quantization.md. The
checksum is not looked at.
"""
import json
import sys

import numpy as np

TYPES = {"U8": "u1", "I8": "i1", "I32": "<i4", "F32": "<f4"}


def load(path):
    data = open(path, "rb").read()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    meta = header.pop("__metadata__", {})
    if meta.get("kind") != "integer-model" or int(meta["format_version"]) > 2:
        sys.exit(f"evaluate.py: error: {path}: no integer model of format version 1 or 2")
    view = lambda t: np.frombuffer(data, TYPES[t["dtype"]], np.prod(t["shape"], dtype=int),
                                   start + t["data_offsets"][0]).reshape(t["shape"])
    return meta, {name: view(t) for name, t in header.items()}


def windows(x, R, S, stride):  # [N][H][W][C] → [N][P][Q][C][R][S]
    view = np.lib.stride_tricks.sliding_window_view(x, (R, S), (1, 2))
    return view[:, ::stride, ::stride]


def run_layer(outputs, image, k, meta, tensors):
    number = lambda name, usual=None: int(meta.get(f"layer.{k}.{name}", usual))
    array = lambda name: tensors[f"layer.{k}.{name}"].astype(np.int64)
    H, W, C, K, R, S, stride, pad = (number(n) for n in "H W C K R S stride pad".split())
    source = number("input", -1) if number("input", -1) >= 0 else k - 1
    x = (image if source < 0 else outputs[source]).reshape(-1, H, W, C)
    if pad > 0:  # Q8
        padded = np.empty((len(x), H + 2 * pad, W + 2 * pad, C), np.int64)
        padded[:] = array("pad_code")
        padded[:, pad:-pad, pad:-pad] = x
        x = padded
    x = windows(x, R, S, stride)
    if meta[f"layer.{k}.kind"] == "avg_pool":  # Q9
        acc = x.sum((-2, -1))
    else:  # Q3, every group of channels on its own
        groups = number("groups", 1)
        x = x.reshape(*x.shape[:3], groups, C // groups, R, S)
        weights = array("weights").reshape(groups, K // groups, R, S, C // groups)
        acc = np.einsum("npqgcrs,gkrsc->npqgk", x, weights).reshape(*x.shape[:3], K)
    if f"layer.{k}.bias" in tensors:
        acc = acc + array("bias")
    if number("max_code") == 0:  # Q10
        return acc
    m, n = array("m"), array("n")
    acc = acc * m + (np.int64(1) << (n - 1))
    if number("add") >= 0:  # Q6, Q18
        acc += (outputs[number("add")] - number("add_zero", 0)) * array("add_m")
    codes = np.clip((acc >> n) + number("zero_point", 0), 0, number("max_code"))  # Q5, Q17
    if number("pool_kernel") > 0:
        kernel = number("pool_kernel")
        codes = windows(codes, kernel, kernel, number("pool_stride")).max((-2, -1))
    return codes


def evaluate(meta, tensors, images):
    outputs = []
    for k in range(int(meta["layers"])):
        outputs.append(run_layer(outputs, images.astype(np.int64), k, meta, tensors))
    return outputs[-1].reshape(len(images), -1).astype(np.int32)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    model, pixels = load(sys.argv[1]), np.load(sys.argv[2])
    shape = tuple(int(model[0][extent]) for extent in ("height", "width", "channels"))
    if pixels.dtype != np.uint8 or pixels.shape[1:] != shape:
        sys.exit(f"evaluate.py: error: {sys.argv[2]}: must be uint8 [N]{list(shape)}")
    parts = [evaluate(*model, pixels[i:i + 64]) for i in range(0, len(pixels), 64)]
    np.save(sys.argv[3], np.concatenate(parts))
