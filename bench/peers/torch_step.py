#!/usr/bin/python3
"""Trains one of our networks for some steps in PyTorch: the rival of bench/peers/torch_step.cpp.

Usage: torch_step.py NETWORK BATCH THREADS [nchw|nhwc]. Prints one JSON line about itself; then, for
every line with a number n on standard input, runs n steps and prints their seconds and the peak
memory of the process.
"""
import json
import re
import sys
import time

import torch
from torch import nn

name = sys.argv[1]
batch, threads = int(sys.argv[2]), int(sys.argv[3])
channels_last = sys.argv[4:] == ["nhwc"]
torch.set_num_threads(threads)
torch.manual_seed(1)


def conv(c, k, kernel=3, stride=1, padding=1, pool=None):
    layers = [nn.Conv2d(c, k, kernel, stride, padding, bias=False), nn.BatchNorm2d(k),
              nn.ReLU(inplace=True)]
    return layers + ([nn.MaxPool2d(*pool)] if pool else [])


def hidden(c, k):
    return [nn.Linear(c, k, bias=False), nn.BatchNorm1d(k), nn.ReLU(inplace=True),
            nn.Dropout(0.5)]


# The same as nn/networks/*.cpp; compare_steps.py checks that the parameters are as many.
def cifar_alexnet_64():
    return [*conv(3, 64, pool=(2, 2)), *conv(64, 192, pool=(2, 2)), *conv(192, 384),
            *conv(384, 256), *conv(256, 256, pool=(2, 2)), nn.Flatten(), *hidden(4096, 1024),
            *hidden(1024, 512), nn.Linear(512, 10)]


def alexnet_cifar():
    return [*conv(3, 96), *conv(96, 256, stride=2), *conv(256, 384, stride=2), *conv(384, 384),
            *conv(384, 256, stride=2), nn.Flatten(), *hidden(4096, 2048), nn.Linear(2048, 10)]


def alexnet():
    return [*conv(3, 96, 11, 4, 2, pool=(3, 2)), *conv(96, 256, 5, 1, 2, pool=(3, 2)),
            *conv(256, 384), *conv(384, 384), *conv(384, 256, pool=(3, 2)), nn.Flatten(),
            *hidden(9216, 4096), *hidden(4096, 4096), nn.Linear(4096, 1000)]


layers, side, classes = {"cifar-alexnet-64": (cifar_alexnet_64, 32, 10),
                         "alexnet-cifar": (alexnet_cifar, 32, 10),
                         "alexnet": (alexnet, 224, 1000)}[name]
net = nn.Sequential(*layers())
images = torch.randn(batch, 3, side, side)
if channels_last:
    net = net.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
labels = torch.arange(batch) % classes
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True)
loss_of = nn.CrossEntropyLoss()



def seconds_of_step():
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    loss_of(net(images), labels).backward()
    optimizer.step()
    return time.perf_counter() - start


print(json.dumps({"version": torch.__version__, "threads": threads,
                  "parameters": sum(p.numel() for p in net.parameters())}), flush=True)
for line in sys.stdin:
    seconds = [seconds_of_step() for _ in range(int(line))]
    peak = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
    print(json.dumps({"seconds": seconds, "peak_memory_kib": peak}), flush=True)
