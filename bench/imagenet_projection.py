#!/usr/bin/env python3
"""What ImageNet takes: memory of a process, processor time per photo of every phase, and from them
hours on a cluster.

    bench/imagenet_projection.py PROGRAM PHOTOS [--json FILE] [--cores 64] [--gbit 25] [--nodes 1 8 32]

PHOTOS holds JPEG files, such as a part of ImageNet's val/; each is used under several names. Every
phase of AlexNet 224 runs with one thread, a short and a longer time, and the difference in processor
seconds by the difference in photos is its price, the median of --turns: starting, listing and
evaluating cancel out. Other work on the machine matters less than for elapsed time, but does: the
load is printed. Decoding and augmenting are within. Gradients are those of 1,000 classes.

The projection: a step of the whole batch takes compute = batch * price / (cores * nodes * efficiency)
plus what of the gradients' way over the network is not hidden behind the backward pass, which is
taken as 2/3 of the computing. Every node sends and receives 2 (R - 1) / R times the gradients.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile

TRAIN_IMAGES = 1_281_167
NETWORK = ["--network", "alexnet", "--preprocessing", "imagenet"]


def run(words, env):
    """Processor seconds and peak memory in MB of one command."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
    message = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(words)}: {message.strip()}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def link_photos(photos, place, train):
    """train/ and val/ of the photos' classes, `train` names in all in one and each photo in other."""
    files = sorted(os.path.join(root, name) for root, _, names in os.walk(photos) for name in names
                   if name.lower().endswith((".jpg", ".jpeg")))
    if not files:
        sys.exit(f"{photos}: holds no JPEG files; give a part of ImageNet")
    for part, count in (("train", max(train, len(files))), ("val", len(files))):
        for i in range(count):
            source = os.path.abspath(files[i % len(files)])
            folder = os.path.join(place, part, os.path.basename(os.path.dirname(source)))
            os.makedirs(folder, exist_ok=True)
            os.symlink(source, os.path.join(folder, f"{i}.JPEG"))
    return len(files)


def parameter_count(teacher, classes):
    """Of a teacher file, were it one of 1,000 classes."""
    with open(teacher, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    tensors = {name: t["shape"] for name, t in header.items()
               if name != "__metadata__" and "running" not in name}
    return sum(math.prod(shape) // (classes if name.startswith("unit/fc8/") else 1) *
               (1000 if name.startswith("unit/fc8/") else 1) for name, shape in tensors.items())


def measure(program, photos, batch, train, turns):
    env = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="imagenet-projection.") as place:
        data = os.path.join(place, "photos")
        tested = link_photos(photos, data, train)
        held_out = 2 * batch
        seen = (train - held_out) // batch * batch  # in one epoch
        runs = iter(range(100))

        def command(name, run_dir, *more):
            return run([program, name, "--run", run_dir, "--threads", "1", "--quiet", "--batch",
                        str(batch), *more], env)

        def teacher(epochs):
            run_dir = os.path.join(place, f"run{next(runs)}")
            cost = command("train", run_dir, "--dataset", "image-folder", "--data-dir", data, *NETWORK,
                           "--held-out", str(held_out), "--lr", "0.01", "--epochs", str(epochs))
            return run_dir, *cost

        _, short_s, _ = teacher(1)
        run_dir, long_s, teacher_mb = teacher(2)
        # The second epoch's evaluation on the held-out photos is charged as if it were training.
        phases = {"teacher, training step": {"photos": seen + held_out / 3, "seconds": long_s - short_s,
                                             "peak_mb": teacher_mb}}

        def student(stage_epochs, joint_epochs):
            return command("distill", run_dir, "--overwrite", "--epochs-per-stage", str(stage_epochs),
                           "--joint-epochs", str(joint_epochs), "--evals-per-stage", "1",
                           "--joint-evals", "1", "--calibration-images", str(batch), "--patience", "99")

        units = 8
        step = batch / seen
        stage_s, joint_s, peaks_mb = [], [], []
        student(step, step)  # the first one also measures its engine's plan, which is kept
        for _ in range(turns):
            base, long_stage, long_joint = (student(step, step), student(3 * step, step),
                                            student(step, 17 * step))
            stage_s.append(long_stage[0] - base[0])
            joint_s.append(long_joint[0] - base[0])
            peaks_mb.append((long_stage[1], long_joint[1]))
        phases["student, stage step (mean of 8)"] = {
            "photos": 2 * batch * units, "seconds": statistics.median(stage_s),
            "peak_mb": max(mb for mb, _ in peaks_mb)}
        phases["student, joint step"] = {"photos": 16 * batch, "seconds": statistics.median(joint_s),
                                         "peak_mb": max(mb for _, mb in peaks_mb)}

        def evaluate(limit):
            return run([program, "eval", os.path.join(run_dir, "w4a4.safetensors"), "--threads", "1",
                        "--batch", "16", "--limit", str(limit)], env)

        evaluate(16)  # the plan is made
        few_s, _ = evaluate(16)
        all_s, eval_mb = evaluate(tested)
        phases["integer engine, W4A4"] = {"photos": tested - 16, "seconds": all_s - few_s,
                                          "peak_mb": eval_mb}
        classes = len(os.listdir(os.path.join(data, "train")))
        parameters = parameter_count(os.path.join(run_dir, "teacher.safetensors"), classes)
    for phase in phases.values():
        phase["core_ms_per_photo"] = 1e3 * phase["seconds"] / phase["photos"]
    if min(phase["seconds"] for phase in phases.values()) <= 0:
        sys.exit("a longer run took less time than a shorter one: the machine is too busy to measure")
    return {"phases": phases, "batch": batch, "parameters": parameters, "load": os.getloadavg()[2]}


def cpu_name():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def hours(core_ms, passes, options, nodes, gradient_bytes):
    batch = options.batch_per_node * nodes
    compute = batch * core_ms / 1e3 / (options.cores * nodes * options.efficiency)
    network = 2 * (nodes - 1) / nodes * gradient_bytes * 8 / (options.gbit * 1e9)
    step = compute + max(0.0, network - compute * 2 / 3)
    return passes * TRAIN_IMAGES / batch * step / 3600


def print_tables(found, options):
    print(f"AlexNet 224, batch {found['batch']}, one thread of {found['cpu']}, commit {found['commit']}, "
          f"load {found['load']:.1f}\n")
    print("| phase | core-ms per photo | photos/s per core | peak memory |")
    print("|---|---|---|---|")
    for name, phase in found["phases"].items():
        ms = phase["core_ms_per_photo"]
        print(f"| {name} | {ms:.1f} | {1e3 / ms:.1f} | {phase['peak_mb']:,.0f} MB |")
    gradient_bytes = 4 * found["parameters"]
    price = {name.split(",")[1].split()[0] if "student" in name else name.split(",")[0]:
             p["core_ms_per_photo"] for name, p in found["phases"].items()}
    print(f"\n{found['parameters']:,} parameters, {gradient_bytes / 1e6:.0f} MB of gradients; nodes of "
          f"{options.cores} cores, {options.gbit:g} Gbit/s, efficiency {options.efficiency:g}, "
          f"{options.batch_per_node} photos per node and step\n")
    print("| nodes | global batch | MB each way per step | teacher, 90 epochs | student, 8 stages of 1/4 "
          "and 14 joint passes |")
    print("|---|---|---|---|---|")
    for nodes in options.nodes:
        sent = 2 * (nodes - 1) / nodes * gradient_bytes / 1e6
        teacher = hours(price["teacher"], 90, options, nodes, gradient_bytes)
        student = (hours(price["stage"], 2, options, nodes, gradient_bytes) +
                   hours(price["joint"], 14, options, nodes, gradient_bytes))
        print(f"| {nodes} | {nodes * options.batch_per_node:,} | {sent:.0f} | {teacher:.1f} h | "
              f"{student:.1f} h |")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("photos", nargs="?", help="left out: print the tables of --json again")
    parser.add_argument("--json", help="where the measurements are kept")
    parser.add_argument("--batch", type=int, default=64, help="of the measurement")
    parser.add_argument("--train", type=int, default=640, help="training photos of the measurement")
    parser.add_argument("--turns", type=int, default=3, help="of the student's phases")
    parser.add_argument("--cores", type=int, default=64, help="of a node")
    parser.add_argument("--gbit", type=float, default=25, help="network of a node, Gbit/s")
    parser.add_argument("--efficiency", type=float, default=0.9, help="of many cores beside one")
    parser.add_argument("--batch-per-node", type=int, default=512)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 8, 32])
    options = parser.parse_args()
    if options.photos:
        found = measure(options.program, options.photos, options.batch, options.train,
                        options.turns)
        found["cpu"] = cpu_name()
        found["commit"] = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True,
                                         text=True).stdout.strip() or "unknown"
        if options.json:
            with open(options.json + ".tmp", "w") as file:
                json.dump(found, file, indent=1)
                file.write("\n")
            os.replace(options.json + ".tmp", options.json)
    elif options.json:
        with open(options.json) as file:
            found = json.load(file)
    else:
        parser.error("give PHOTOS, or --json FILE of an earlier measurement")
    print_tables(found, options)


if __name__ == "__main__":
    main()
