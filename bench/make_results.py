#!/usr/bin/env python3
"""Writes docs/results.md, docs/results_integer.md and docs/results_float.md from bench/results.

Usage: bench/make_results.py [--save NAME] [--check] [--docs DIR]
  --save NAME  first copies the JSON files of build/bench to bench/results/NAME, one folder per
               machine; what is not there stays as it is
  --check      writes nothing; exit code 1 if a page is not what the files say
  --docs DIR   writes the pages there instead

bench/results/NAME holds what the benchmarks wrote (docs/benchmarks.md): int_peers.json,
float_peers.json, distill_steps.json. No number on the pages comes from anywhere else.
"""
import argparse
import json
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "results")
FILES = ("int_peers.json", "float_peers.json", "distill_steps.json")
OURS = ("W8A8", "W4A4", "W2A2", "W1A1")
NOTE = "<!-- Written by bench/make_results.py from bench/results; changes by hand will be lost. -->\n"


def fail(text):
    sys.exit(f"make_results.py: error: {text}")


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        fail(f"{path}: {error}; measure again or restore the file")


def machine_of(report):
    """The head of a report; that of its first run where it joins several."""
    runs = report.get("runs")
    return (runs[0] if runs else report).get("machine", {})


def save(name):
    source = os.path.join(HERE, "..", "build", "bench")
    found = [f for f in FILES if os.path.exists(os.path.join(source, f))]
    if not found:
        fail("build/bench holds no results; run make run-int-peers or run-float-peers first")
    for file in found:
        if not machine_of(read(os.path.join(source, file))):
            fail(f"build/bench/{file} does not say which machine it is from; measure again")
    os.makedirs(os.path.join(RESULTS, name), exist_ok=True)
    for file in found:
        shutil.copyfile(os.path.join(source, file), os.path.join(RESULTS, name, file))


def load():
    """{machine: {file: report}}, in the order of the names."""
    machines = {}
    for name in sorted(os.listdir(RESULTS) if os.path.isdir(RESULTS) else []):
        reports = {f: read(os.path.join(RESULTS, name, f)) for f in FILES
                   if os.path.exists(os.path.join(RESULTS, name, f))}
        if reports:
            machines[name] = reports
    return machines


def cache_text(machine):
    sizes = []
    for cache in machine.get("caches", []):
        if cache["type"] == "Instruction":
            continue
        kib = cache["kib"]
        size = f"{kib // 1024} MiB" if kib >= 1024 and kib % 1024 == 0 else f"{kib} KiB"
        sizes.append(f"L{cache['level']} {size}")
    return ", ".join(sizes)


def threads_text(count):
    return f"{count} thread{'' if count == 1 else 's'}"


def head(machine, how):
    """What was measured, where and how, as a list."""
    numbers = ", ".join(f"{k} {machine[k]:.0f}" for k in ("family", "model") if k in machine)
    cpu = f"{machine['cpu']} ({numbers})" if numbers else machine["cpu"]
    cpu += f", {machine['isa_detected']}, {machine['processors']} processors"
    if "mhz" in machine:
        cpu += f", {machine['mhz'] / 1000:.2f} GHz at the start"
    load = f", load average {machine['load_average']:.1f} at the start" if "load_average" in machine else ""
    lines = [f"CPU: {cpu}; {cache_text(machine)}",
             f"{machine['compiler']}, commit {machine['commit']}, {machine['date']} UTC{load}",
             f"`{machine['command']}`", how]
    return "".join(f"- {line}\n" for line in lines)


def table(header, rows, texts=("layer", "cache", "fastest peer", "step", "")):
    """`texts`: the headings of columns that hold no numbers."""
    rules = ["---" if h in texts else "--:" for h in header]
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(rules) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def ratio_cells(row):
    """Times as fast as the fastest peer; in brackets, where that one is lossy, as the fastest direct one."""
    cells = []
    ratios, direct = row.get("ratio_to_fastest_peer", {}), row.get("ratio_to_fastest_direct_peer", {})
    for w in OURS:
        if w not in ratios:
            cells.append("–")
        elif "lossy" in row.get("peer", "") and w in direct:
            cells.append(f"{ratios[w]:.2f} ({direct[w]:.2f})")
        else:
            cells.append(f"{ratios[w]:.2f}")
    return cells


def integer_table(rows):
    body = [[r["name"], r["cache"], r["peer"], f"{r['peer_ms']:.3f}" if "peer_ms" in r else "–"]
            + ratio_cells(r) for r in rows]
    return table(["layer", "cache", "fastest peer", "its ms"] + list(OURS), body)


def run_title(run):
    limit = "" if run["limit"] == "none" else f", both sides limited to {run['limit']}"
    return f"{run['isa']}{limit}, {threads_text(run['threads'])} ({run['clock']}), {run['rounds']} rounds"


def is_whole(row):
    return "/whole/" in row["name"]


def float_table(rows):
    body = [[r["name"], f"{r['ours_ms']:.2f}",
             f"{r['winograd_ms']:.2f}" if "winograd_ms" in r else "–", r["peer"],
             f"{r['peer_ms']:.2f}", f"{r['ratio']:.2f}",
             f"{r['winograd_ratio']:.2f}" if "winograd_ratio" in r else "–"] for r in rows]
    return table(["", "ours, ms", "with Winograd, ms", "fastest peer", "its ms", "ratio",
                  "ratio with Winograd"], body)


def step_table(report):
    teacher = report["results"][0]["ms"]
    body = [[r["name"], f"{r['ms']:.1f}", f"{r['ms'] / teacher:.2f}"] for r in report["results"]]
    return table(["step", "ms", "of the teacher's"], body)


def problems_text(report):
    problems = list(dict.fromkeys(report.get("problems", [])
                                  + [p for run in report["runs"] for p in run["problems"]]))
    return "".join(f"\nLeft out: {problem}.\n" for problem in problems)


def overview(machines):
    text = NOTE + """# Results

What was measured, where and how: one block per machine. Times are medians of contenders that take turns
in one run; a ratio is the peer's time over ours, above 1 we are faster. What the columns mean and how it
is measured: [benchmarks.md](benchmarks.md). A load average above 1 says that the machine had other work
too. Every integer layer: [results_integer.md](results_integer.md);
every float kernel: [results_float.md](results_float.md). Accuracy of the method:
[results_accuracy.md](results_accuracy.md) and the table in the README. Older measurements, whose files
were not kept: [notebook.md](notebook.md).

`make results` writes these pages from the JSON files in `bench/results`; `make results SAVE=NAME` first
keeps what `make run-int-peers`, `make run-float-peers` and `make bench-distill` have left in `build/bench`.
"""
    for name, reports in machines.items():
        text += f"\n## {name}\n"
        integers = reports.get("int_peers.json")
        if integers:
            text += "\n### Whole networks in integers, beside int8 peers\n"
            for run in integers["runs"]:
                rows = [r for r in run["results"] if is_whole(r)]
                if rows:
                    text += f"\n{head(run['machine'], run_title(run))}\n{integer_table(rows)}"
            text += problems_text(integers)
        floats = reports.get("float_peers.json")
        if floats:
            steps = floats.get("training_steps", [])
            products = [r for r in floats.get("results", []) if "gemm" in r["name"]]
            text += f"\n### Float engine\n\n{head(floats['machine'], floats['statistic'])}"
            for rows, title, threads in ((steps, "Training steps", [r["threads"] for r in steps]),
                                         (products, "Matrix products", [floats["threads"]])):
                if rows:
                    text += f"\n{title}, {threads_text(threads[0])}\n\n{float_table(rows)}"
            versions = {n: v for r in steps for n, v in r["versions"].items()}
            if versions:
                text += "\n" + ", ".join(f"{n}: {v}" for n, v in versions.items()) + "\n"
        distill = reports.get("distill_steps.json")
        if distill:
            how = (f"{distill['network']}, width {distill['width']:g}, batch {distill['batch']}, "
                   f"W{distill['bits']}A{distill['bits']}, {threads_text(distill['threads'])}, "
                   f"medians of {distill['turns']} turns")
            text += (f"\n### Steps of distillation\n\n{head(distill['machine'], how)}\n"
                     f"{step_table(distill)}")
    return text


def integer_page(machines):
    text = NOTE + """# Results of the integer engine, layer by layer

Their int8 beside our W8A8, W4A4, W2A2 and W1A1: times as fast as the fastest peer, above 1 we are faster;
in brackets, where the fastest peer rounds inside its Winograd transform (*lossy*), as the fastest that
computes directly. *cold*: weights come from memory. Machines and whole networks: [results.md](results.md).
"""
    for name, reports in machines.items():
        if "int_peers.json" not in reports:
            continue
        text += f"\n## {name}\n"
        for run in reports["int_peers.json"]["runs"]:
            rows = [r for r in run["results"] if not is_whole(r)]
            text += f"\n{head(run['machine'], run_title(run))}\n{integer_table(rows)}"
    return text


def float_page(machines):
    text = NOTE + """# Results of the float kernels

Ratios are the fastest peer's time over ours, above 1 we are faster. Machines and training steps:
[results.md](results.md).
"""
    for name, reports in machines.items():
        report = reports.get("float_peers.json")
        if report and report.get("results"):
            how = (f"{threads_text(report['threads'])} ({report['clock']}), "
                   f"{report['repetitions']} rounds")
            text += (f"\n## {name}\n\n{head(report['machine'], how)}\n"
                     f"{float_table(report['results'])}")
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--save")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--docs", default=os.path.join(HERE, "..", "docs"))
    options = parser.parse_args()
    if options.save:
        if not options.save.replace("-", "").replace("_", "").isalnum():
            fail(f"--save {options.save}: use letters, digits, - and _")
        save(options.save)
    machines = load()
    pages = {"results.md": overview(machines), "results_integer.md": integer_page(machines),
             "results_float.md": float_page(machines)}
    wrong = []
    for page, text in pages.items():
        path = os.path.join(options.docs, page)
        if options.check:
            with open(path, encoding="utf-8") as file:
                wrong += [page] if file.read() != text else []
            continue
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".tmp", path)
    if wrong:
        fail(f"docs/{', docs/'.join(wrong)}: not what bench/results says; run make results")


main()
