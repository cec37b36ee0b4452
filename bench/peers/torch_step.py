#!/usr/bin/python3
"""Trains cifar-alexnet-64 for some steps in PyTorch: the rival of bench/peers/torch_step.cpp.

Usage: torch_step.py BATCH STEPS THREADS   -> one JSON object: the seconds of each step after two
to warm up. Random images; forward, cross entropy, backward, SGD with Nesterov momentum.
"""
import json
import sys
import time

import torch
from torch import nn

batch, steps, threads = (int(a) for a in sys.argv[1:4])
torch.set_num_threads(threads)
torch.manual_seed(1)


def conv(c, k, pool):
    layers = [nn.Conv2d(c, k, 3, padding=1, bias=False), nn.BatchNorm2d(k), nn.ReLU(inplace=True)]
    return layers + ([nn.MaxPool2d(2)] if pool else [])


def linear(c, k):
    return [nn.Linear(c, k, bias=False), nn.BatchNorm1d(k), nn.ReLU(inplace=True)]


net = nn.Sequential(
    *conv(3, 64, True), *conv(64, 192, True), *conv(192, 384, False), *conv(384, 256, False),
    *conv(256, 256, True), nn.Flatten(), *linear(4096, 1024), *linear(1024, 512),
    nn.Linear(512, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True)
loss_of = nn.CrossEntropyLoss()
images = torch.randn(batch, 3, 32, 32)
labels = torch.randint(0, 10, (batch,))

seconds = []
for step in range(steps + 2):
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    loss_of(net(images), labels).backward()
    optimizer.step()
    if step >= 2:
        seconds.append(time.perf_counter() - start)
print(json.dumps({"version": torch.__version__, "threads": threads, "seconds": seconds}))
