#!/usr/bin/env python3
"""The loader beside Pillow's and torchvision's pipelines: images per second of one core.

    bench/loader_speed.py LOADER_SPEED INTANDEM PHOTOS [--turns 5] [--python PYTHON]

PHOTOS is a folder of class folders of JPEG files, such as ImageNet's val/ (or a part of it). Each
photo is read, decoded, a random part of 8 to 100 % resized to 224x224 and mirrored half of the time.
Rivals take turns in the same run; a figure is the median over the turns of images by processor
seconds, so other work on the machine matters little. torchvision is left out where it is missing.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time


def photos_of(folder):
    paths = []
    for root, _, names in os.walk(folder):
        paths += [os.path.join(root, n) for n in names if n.lower().endswith((".jpg", ".jpeg"))]
    return sorted(paths)


def rival(name, folder, images):
    """Runs in a process of its own: prints images and processor seconds."""
    paths = photos_of(folder)
    rng = random.Random(1)
    from PIL import Image, ImageOps

    if name == "torchvision":
        import torch
        from torchvision import transforms

        torch.set_num_threads(1)
        crop = transforms.Compose(
            [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()])
    else:

        def crop(image):
            W, H = image.size
            for _ in range(10):
                area = H * W * rng.uniform(0.08, 1)
                ratio = (3 / 4) * ((16 / 9) ** rng.random())
                w, h = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
                if 0 < w <= W and 0 < h <= H:
                    break
            else:
                w, h = W, H
            top, left = rng.randint(0, H - h), rng.randint(0, W - w)
            part = image.crop((left, top, left + w, top + h)).resize((224, 224), Image.BILINEAR)
            return ImageOps.mirror(part) if rng.random() < 0.5 else part

    start = time.process_time()
    for i in range(images):
        with open(paths[i % len(paths)], "rb") as file:
            crop(Image.open(file).convert("RGB")).tobytes()
    print(images, time.process_time() - start)


def main():
    if len(sys.argv) == 5 and sys.argv[1] == "--rival":
        rival(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("loader_speed")
    parser.add_argument("intandem")
    parser.add_argument("photos")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--python", default=sys.executable, help="which has Pillow")
    options = parser.parse_args()
    paths = photos_of(options.photos)
    with tempfile.TemporaryDirectory() as directory:
        for part in ("train", "val"):
            os.symlink(os.path.abspath(options.photos), os.path.join(directory, part))
        packs = {"pack of pixels, shorter side 256": "256", "pack of files": "0"}
        for side in packs.values():
            subprocess.run([options.intandem, "pack", directory, f"{directory}/{side}.pack",
                            "--shorter-side", side, "--quiet"], check=True,
                           stdout=subprocess.DEVNULL)
        epochs = str(max(1, 400 // len(paths)))
        contestants = {"intandem, folder": [options.loader_speed, "image-folder", directory, epochs]}
        for name, side in packs.items():
            contestants[f"intandem, {name}"] = [options.loader_speed, "packed",
                                                f"{directory}/{side}.pack", epochs]
        for name in ("Pillow", "torchvision"):
            contestants[name] = [options.python, __file__, "--rival", name, options.photos, "400"]
        speeds = {}
        for _ in range(options.turns):
            for name, command in list(contestants.items()):
                run = subprocess.run(command, capture_output=True, text=True)
                if run.returncode != 0:
                    print(f"{name}: left out: {run.stderr.strip().splitlines()[-1]}",
                          file=sys.stderr)
                    del contestants[name]
                    continue
                images, seconds = run.stdout.split()[:2]
                speeds.setdefault(name, []).append(int(images) / float(seconds))
        medians = {name: statistics.median(all_) for name, all_ in speeds.items()}
        pillow = medians.get("Pillow")
        print("| pipeline | images/s per core | beside Pillow |\n|---|---|---|")
        for name, median in medians.items():
            print(f"| {name} | {median:.0f} | {median / pillow:.2f} |" if pillow else
                  f"| {name} | {median:.0f} | |")


main()
