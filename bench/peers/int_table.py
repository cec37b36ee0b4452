#!/usr/bin/python3
"""Joins the runs of int_peers into build/bench/int_peers.json and prints each as a table.

Usage: int_table.py PROBLEMS-FILE RUN.json...   (the runs are removed)
"""
import json
import os
import sys

OURS = ("W8A8", "W4A4", "W2A2", "W1A1")

runs = []
for path in sys.argv[2:]:
    with open(path) as file:
        runs.append(json.load(file))
for path in sys.argv[2:]:
    os.remove(path)
problems = open(sys.argv[1]).read().splitlines() if os.path.exists(sys.argv[1]) else []
with open("build/bench/int_peers.json", "w") as file:
    json.dump({"problems": problems, "runs": runs}, file, indent=1)

for run in runs:
    limit = "without a limit" if run["limit"] == "none" else f"both sides limited to {run['limit']}"
    print(f"\nTheir int8 beside our {', '.join(OURS)}: {run['threads']} thread(s), {limit}, "
          f"our isa {run['isa']}, {run['clock']}, {run['statistic']}")
    peers = run["peers"] + sorted({name for row in run["results"] for name in row["ms"]}
                                  - set(run["peers"]) - set(OURS))
    header = ["layer", "cache"] + [p + " ms" for p in peers] + [
        f"our {w} ms (x)" for w in OURS] + ["W8A8 % of peak", "worst code error"]
    table = [header]
    for row in run["results"]:
        cells = [row["name"], row["cache"]]
        cells += [f"{row['ms'][p]:.3f}" if p in row["ms"] else "-" for p in peers]
        ratios = row.get("ratio_to_fastest_peer", {})
        for w in OURS:
            cell = f"{row['ms'][w]:.3f} ({ratios[w]:.2f})" if w in ratios else "-"
            if "lossy" in row.get("peer", "") and w in ratios:
                direct = row["ratio_to_fastest_direct_peer"][w]
                cell = f"{row['ms'][w]:.3f} ({ratios[w]:.2f}, direct {direct:.2f})"
            cells.append(cell)
        cells.append(f"{row['our_w8a8_percent_of_peak']:.0f}")
        errors = row.get("code_difference_to_exact") or {}
        worst = max(errors.items(), key=lambda item: item[1]["largest"], default=None)
        cells.append(f"{worst[1]['largest']} ({worst[0]})" if worst and worst[1]["largest"] else
                     "0" if errors else "-")
        table.append(cells)
    widths = [max(len(row[c]) for row in table) for c in range(len(header))]
    for row in table:
        print("  ".join(cell.rjust(w) if c > 1 else cell.ljust(w)
                        for c, (cell, w) in enumerate(zip(row, widths))))
print("\n(x): times as fast as the fastest peer; direct: as the fastest that does not use its lossy "
      "Winograd. Cold: caches swept before every run. Peers' codes are "
      "compared with the exact integers.")
for problem in dict.fromkeys(problems + [p for run in runs for p in run["problems"]]):
    print("left out:", problem)
