#!/usr/bin/env python3
"""Runs exported ONNX graphs and compares their logits with those of intandem's engine.

    compare_logits.py [--ort] DIR [NAME...]

DIR holds for every NAME: NAME.onnx (export --onnx), NAME.images.npy (uint8 [N][H][W][C]) and
NAME.logits.npy (int32 [N][classes], eval --logits). The graph is checked (onnx.checker), walked for
float tensors, and run: in numpy, or with --ort in ONNX Runtime. NAME.qdq.onnx, if there is one, is
checked, and with --ort run and its difference printed. Exit code 1 if an exact graph differs.
"""

import argparse
import os
import sys

import numpy as np
import onnx


def run_ort(path, images):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    parts = np.array_split(images, max(1, len(images) // 500))
    return np.concatenate([session.run(None, {"image": part})[0] for part in parts])


def check(name, path, images, logits, ort):
    import integer_onnx

    model = onnx.load(path)
    onnx.checker.check_model(model)
    floats = integer_onnx.float_tensors(model)
    found = run_ort(path, images) if ort else integer_onnx.run(model, images)
    wrong = int((found != logits).any(1).sum()) if found.shape == logits.shape else -1
    kind = found.dtype == np.int32 and found.shape == logits.shape
    print("%s: %s: %d images, %d with other logits, %d float tensors%s" % (
        name, "ONNX Runtime" if ort else "numpy", len(images), wrong, len(floats),
        " (%s)" % ", ".join(floats[:3]) if floats else ""))
    return kind and wrong == 0 and not floats


def check_qdq(name, path, images, logits, ort):
    onnx.checker.check_model(onnx.load(path))
    onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True)
    if not ort:
        return
    found = run_ort(path, images)
    scale = np.abs(logits).max(1)
    difference = np.abs(found - logits).max(1) / np.maximum(scale, 1)
    same = (found.argmax(1) == logits.argmax(1)).mean()
    print("%s: QDQ, not exact: largest difference of a logit %.2g of the image's largest (mean %.2g), "
          "same class for %.2f %% of %d images" % (name, difference.max(), difference.mean(), 100 * same,
                                                   len(images)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--ort", action="store_true")
    args = parser.parse_args()
    names = args.names or sorted(f[:-len(".images.npy")] for f in os.listdir(args.directory)
                                 if f.endswith(".images.npy"))
    good = bool(names)
    for name in names:
        stem = os.path.join(args.directory, name)
        images = np.load(stem + ".images.npy").transpose(0, 3, 1, 2).copy()
        logits = np.load(stem + ".logits.npy")
        good = check(name, stem + ".onnx", images, logits, args.ort) and good
        if os.path.exists(stem + ".qdq.onnx"):
            check_qdq(name, stem + ".qdq.onnx", images, logits, args.ort)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
