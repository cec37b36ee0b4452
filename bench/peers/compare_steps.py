#!/usr/bin/python3
"""Compares training steps of intandem and PyTorch, whose processes take turns of a few steps.

Usage: compare_steps.py TORCH_STEP_BINARY [--threads N] [--turns N] [--networks A,B]
                        [--kernels FILE] [--output FILE]
Writes the JSON described in docs/benchmarks.md, with the kernels of FILE (float_peers) in it, and
a table of everything on standard output. PEERS_TORCH: a directory with another torch for Python's
path, compared as well (bench/peers/newer_torch.py makes one).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

# Name and batch; steps of one turn, so that a turn takes about a second on two cores.
NETWORKS = {"cifar-alexnet-64": (128, 2), "alexnet-cifar": (128, 2), "alexnet": (64, 1)}
HERE = os.path.dirname(os.path.abspath(__file__))


class Rival:
    """A process that trains on request."""

    def __init__(self, name, command, environment):
        self.name, self.seconds, self.peak_memory_kib = name, [], 0
        self.process = subprocess.Popen(command, env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.about = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"compare_steps.py: error: {self.name} ended with {self.process.wait()}; "
                     "its own message is above")
        return json.loads(line)

    def run(self, steps, timed=True):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        answer = self.answer()
        if timed:
            self.seconds += answer["seconds"]
        self.peak_memory_kib = answer["peak_memory_kib"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def start_rivals(binary, network, batch, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    arguments = [network, str(batch), str(threads)]
    python = ["/usr/bin/python3", HERE + "/torch_step.py"] + arguments
    yield Rival("intandem", [binary] + arguments, environment)
    yield Rival("intandem winograd", [binary] + arguments + ["winograd"], environment)
    yield Rival("pytorch", python + ["nchw"], environment)
    yield Rival("pytorch channels-last", python + ["nhwc"], environment)
    other = os.environ.get("PEERS_TORCH")
    if other:
        environment = dict(environment, PYTHONPATH=other)
        yield Rival("other pytorch", python + ["nchw"], environment)
        yield Rival("other pytorch channels-last", python + ["nhwc"], environment)


def refuse_difference(network, rivals):
    counts = {r.name: r.about["parameters"] for r in rivals}
    if len(set(counts.values())) > 1:
        sys.exit(f"compare_steps.py: error: {network}: different numbers of parameters {counts}; "
                 "make bench/peers/torch_step.py build the network of nn/networks")


def compare(binary, network, threads, turns):
    batch, steps = NETWORKS[network]
    rivals = list(start_rivals(binary, network, batch, threads))
    refuse_difference(network, rivals)
    for rival in rivals:
        rival.run(2, timed=False)
    for _ in range(turns):
        for rival in rivals:
            rival.run(steps)
    for rival in rivals:
        rival.close()
    ms = {r.name: 1000 * statistics.median(r.seconds) for r in rivals}
    memory = {r.name: round(r.peak_memory_kib / 1024, 1) for r in rivals}
    peers = [name for name in ms if not name.startswith("intandem")]
    best = min(peers, key=ms.get)
    return {
        "name": f"training step {network} batch {batch}", "batch": batch, "threads": threads,
        "parameters": rivals[0].about["parameters"],
        "ours_ms": ms["intandem"], "peer": best, "peer_ms": ms[best],
        "ratio": ms[best] / ms["intandem"],
        "winograd_ms": ms["intandem winograd"],
        "winograd_ratio": ms[best] / ms["intandem winograd"],
        "ms": ms, "images_per_second": {n: 1000 * batch / t for n, t in ms.items()},
        "ratios": {n: t / ms["intandem"] for n, t in ms.items() if n in peers},
        "peak_memory_mib": memory,
        "memory_ratio": memory["intandem"] / min(memory[n] for n in peers),
        "versions": {r.name: r.about["version"] for r in rivals},
        "statistic": f"median of {turns * steps} steps each, processes in turns of {steps}"}


def print_table(rows):
    line = "{:<40} {:>10} {:>10} {:>7} {:>9}  {}"
    print(line.format("", "ours, ms", "peer, ms", "ratio", "winograd", "peer"))
    for row in rows:
        print(line.format(row["name"], f"{row['ours_ms']:.2f}", f"{row['peer_ms']:.2f}",
                          f"{row['ratio']:.3f}",
                          f"{row['winograd_ratio']:.3f}" if "winograd_ratio" in row else "",
                          row["peer"]))
    for row in rows:
        if "peak_memory_mib" in row:
            print(row["name"] + ", peak memory, MiB: " +
                  ", ".join(f"{n} {m:.0f}" for n, m in row["peak_memory_mib"].items()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--kernels")
    parser.add_argument("--output")
    options = parser.parse_args()
    report = {}
    if options.kernels:
        with open(options.kernels, encoding="utf-8") as file:
            report = json.load(file)
    networks = [n for n in options.networks.split(",") if n]
    for network in networks:
        if network not in NETWORKS:
            parser.error(f"no network {network}; there are {', '.join(NETWORKS)}")
    report["training_steps"] = []
    for network in networks:
        report["training_steps"].append(
            compare(options.binary, network, options.threads, options.turns))
        print(network + " done", file=sys.stderr)
    print_table(report.get("results", []) + report["training_steps"])
    if options.output:
        with open(options.output + ".tmp", "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
        os.replace(options.output + ".tmp", options.output)


main()
