#!/usr/bin/python3
"""Compares training steps of intandem and PyTorch, which take turns in short rounds.

Usage: compare_steps.py TORCH_STEP_BINARY [THREADS [ROUNDS [BATCH]]]   -> JSON on standard output
"""
import json
import os
import statistics
import subprocess
import sys

binary = sys.argv[1]
given = [int(a) for a in sys.argv[2:5]]
threads, rounds, batch = given + [os.cpu_count(), 3, 128][len(given):]
here = os.path.dirname(os.path.abspath(__file__))
rivals = {"intandem": [binary], "pytorch": ["/usr/bin/python3", here + "/torch_step.py"]}
environment = dict(os.environ, OMP_NUM_THREADS=str(threads))

seconds = {name: [] for name in rivals}
versions = {}
for _ in range(rounds):
    for name, command in rivals.items():
        arguments = [str(batch), "4", str(threads)]
        out = subprocess.run(command + arguments, env=environment, check=True, capture_output=True)
        result = json.loads(out.stdout)
        seconds[name] += result["seconds"]
        versions[name] = result["version"]

median = {name: statistics.median(values) for name, values in seconds.items()}
print(json.dumps({
    "network": "cifar-alexnet-64", "batch": batch, "threads": threads, "versions": versions,
    "statistic": "median over steps of alternating processes",
    "images_per_second": {name: batch / value for name, value in median.items()},
    "speed_over_pytorch": median["pytorch"] / median["intandem"],
    "seconds": seconds}, indent=1))
