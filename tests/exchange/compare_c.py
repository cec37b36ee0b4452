#!/usr/bin/env python3
"""Runs an exported C program on images and compares its logits with those of intandem's engine.

    compare_c.py C-DIR NAME IMAGES.npy LOGITS.npy [CC FLAGS...]    (uint8 [N][H][W][C], int32 [N][K])

Compiles NAME.c as a library for this machine. Exit code 1 if a logit differs.
"""

import ctypes
import os
import subprocess
import sys
import tempfile

import numpy as np


def main(directory, name, images, logits, *compiler):
    images, logits = np.ascontiguousarray(np.load(images)), np.load(logits)
    with tempfile.TemporaryDirectory() as scratch:
        library = os.path.join(scratch, "lib.so")
        command = list(compiler) or ["cc", "-O2"]
        subprocess.run(command + ["-std=c99", "-shared", "-fPIC", "-o", library,
                                  os.path.join(directory, name + ".c")], check=True)
        run = getattr(ctypes.CDLL(library), name + "_run")
        found = np.empty_like(logits)
        for image, out in zip(images, found):
            run(image.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p))
    wrong = int((found != logits).any(1).sum())
    print("%s: C: %d images, %d with other logits" % (name, len(images), wrong))
    sys.exit(0 if wrong == 0 else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
