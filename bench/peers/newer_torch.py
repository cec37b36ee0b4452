#!/usr/bin/python3
"""Puts PyPI's torch into a directory without its CUDA libraries (several GB): newer_torch.py DIR.

PyPI's wheels for x86-64 Linux are linked to CUDA and do not load without it. This replaces every
CUDA library by an empty one: its functions return an error, so that torch finds no device and
works on the CPU, with the CPU kernels it always has. Use: PEERS_TORCH=DIR make bench-peers.
Needs pip, gcc, nm and readelf; downloads 0.6 GB, takes 2.5 GB.
"""
import collections
import glob
import os
import re
import subprocess
import sys

# What the system has; everything else a torch library needs is CUDA's.
SYSTEM = re.compile(r"^(lib(c|m|dl|gcc_s|pthread|rt|stdc\+\+|z|quadmath|gomp|gfortran)\.so|ld-linux)")
PURE = ["typing-extensions", "filelock", "sympy", "networkx", "jinja2", "fsspec", "setuptools",
        "numpy"]


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def install(directory):
    pip = ["/usr/bin/python3", "-m", "pip", "install", "-q", "--target", directory]
    subprocess.run(pip + ["--no-deps", "torch"], check=True)
    subprocess.run(pip + PURE, check=True)


def stub(name):
    if "String" in name or "ErrorName" in name:
        return f'const char* {name}(void) {{ return "no CUDA"; }}\n'
    if name == "cudaGetDeviceCount":
        return f"int {name}(int* count) {{ *count = 0; return 100; }}\n"
    return f"long {name}(void) {{ return 100; }}\n"  # cudaErrorNoDevice


def replace_cuda(folder):
    libraries = glob.glob(folder + "/*.so*")
    needed, defined, wanted = set(), set(), set()
    version_of = {}  # symbol version → library
    for library in libraries:
        needed |= set(re.findall(r"NEEDED.*\[(.*)\]", output("readelf", "-d", library)))
        for line in output("nm", "-D", "--with-symbol-versions", library).splitlines():
            fields = line.split()
            if len(fields) == 3:
                defined.add(fields[2].split("@")[0])
            elif fields[0] == "U":
                wanted.add(fields[1].replace("@@", "@"))
        file = ""
        for line in output("readelf", "-V", library).splitlines():
            file = (re.findall(r"File: (\S+)", line) or [file])[0]
            for version in re.findall(r"Name: (\S+)", line):
                version_of[version] = file
    missing = sorted(n for n in needed
                     if not SYSTEM.match(n) and not os.path.exists(f"{folder}/{n}"))
    symbols = collections.defaultdict(lambda: collections.defaultdict(set))
    for symbol in wanted:
        name, _, version = symbol.partition("@")
        if name in defined:
            continue
        if version:
            symbols[version_of.get(version)][version].add(name)
        elif re.match(r"(cu|nccl|nv)", name):
            symbols[missing[0]][""].add(name)  # any library will do for a symbol without a version
    for library in missing:
        names = set().union(*symbols[library].values())
        script = "".join(f"{v} {{ global: {' '.join(n + ';' for n in sorted(ns))} }};\n"
                         for v, ns in symbols[library].items() if v)
        path = f"{folder}/{library}"
        with open(path + ".c", "w", encoding="utf-8") as file:
            file.write("".join(map(stub, sorted(names))))
        with open(path + ".map", "w", encoding="utf-8") as file:
            file.write(script)
        subprocess.run(["gcc", "-w", "-fno-builtin", "-shared", "-fPIC", "-o", path, path + ".c",
                        "-Wl,-soname," + library] +
                       (["-Wl,--version-script=" + path + ".map"] if script else []), check=True)
    print("replaced " + ", ".join(missing))


if len(sys.argv) != 2:
    sys.exit(__doc__)
install(sys.argv[1])
replace_cuda(sys.argv[1] + "/torch/lib")
