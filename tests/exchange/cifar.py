"""CIFAR-10 in its binary version: read, and made from folders of images."""

import os
import sys

import numpy as np

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
FILES = {"train": ["data_batch_%d.bin" % i for i in range(1, 6)], "test": ["test_batch.bin"]}


def read(directory, part):
    """uint8 images [N, 3, 32, 32] and labels [N]."""
    for folder in (directory, os.path.join(directory, "cifar-10-batches-bin")):
        if os.path.exists(os.path.join(folder, FILES[part][0])):
            data = b"".join(open(os.path.join(folder, name), "rb").read() for name in FILES[part])
            records = np.frombuffer(data, np.uint8).reshape(-1, 3073)
            return records[:, 1:].reshape(-1, 3, 32, 32).copy(), records[:, 0].astype(np.int64)
    sys.exit("%s: holds no CIFAR-10 in the binary version" % directory)


def pack(source, directory):
    """DIR/train/<class>/*, DIR/test/<class>/* of 32x32 images -> the binary version."""
    from PIL import Image

    os.makedirs(directory, exist_ok=True)
    for part, files in FILES.items():
        classes = [sorted(os.listdir(os.path.join(source, part, name))) for name in NAMES]
        records = []
        for i in range(max(map(len, classes))):  # class by class in turn, so that any part is balanced
            for label, images in enumerate(classes):
                if i < len(images):
                    path = os.path.join(source, part, NAMES[label], images[i])
                    pixels = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
                    records.append(bytes([label]) + pixels.tobytes())
        share = -(-len(records) // len(files))
        for i, name in enumerate(files):
            with open(os.path.join(directory, name), "wb") as out:
                out.write(b"".join(records[i * share:(i + 1) * share]))
    with open(os.path.join(directory, "batches.meta.txt"), "w") as out:
        out.write("\n".join(NAMES) + "\n")


if __name__ == "__main__":
    pack(sys.argv[1], sys.argv[2])
