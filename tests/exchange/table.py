#!/usr/bin/env python3
"""What exchange.sh measured, as the table of docs/exchange.md: table.py WORK NAME..."""

import os
import re
import sys

COLUMNS = ["network", "parameters", "import: largest difference", "top-1 % float", "W4A4", "images",
           "ONNX differs", "C differs", "QDQ: largest, mean difference", "same class %"]


def row(work, name):
    imported = open(os.path.join(work, "runs", name + ".import.txt")).read()
    compared = open(os.path.join(work, "out", name + ".txt")).read()

    def find(pattern, text):
        found = re.search(pattern, text)
        return found.groups() if found else ("-",) * re.compile(pattern).groups

    onnx = find(r": (?:ONNX Runtime|numpy): (\d+) images, (-?\d+) with", compared)
    qdq = find(r"largest difference of a logit (\S+) of .*\(mean (\S+)\), same class for (\S+) %", compared)
    return [name, *find(r"units, (\d+) parameters", imported), *find(r"largest difference (\S+)", imported),
            *find(r"teacher top-1 (\S+) %", imported), *find(r"top-1 (\S+) %", compared), *onnx,
            *find(r": C: \d+ images, (\d+) with", compared), ", ".join(qdq[:2]), qdq[2]]


def main(work, *names):
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for name in names:
        print("| " + " | ".join(row(work, name)) + " |")


if __name__ == "__main__":
    main(*sys.argv[1:])
