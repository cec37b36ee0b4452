#!/usr/bin/env python3
"""Small networks by PyTorch with fixed seeds, as ONNX and as state_dict, and their logits.

    make_golden.py DIR            (tests/golden/exchange holds what Debian 12's PyTorch 1.13 gave)

Written: images.npy (uint8), NAME.onnx, NAME.logits.npy, resnet20.safetensors. Weights are random,
batch norms have random scales and statistics, so that nothing is close to doing nothing. Input:
(pixel/255 - mean)/std as in train_networks.py.
"""

import json
import os
import struct
import sys

import numpy as np
import torch
from networks import NETWORKS
from torch import nn
from train_networks import predict, to_input

WIDTH = 0.05  # 8 channels and little more


class Stem(nn.Module):
    """What torchvision's ResNets begin with, the pool with a border; then sums of several kinds."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.left = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.right = nn.Conv2d(8, 8, 1)
        self.after = nn.BatchNorm2d(8)
        self.average = nn.AvgPool2d(2)
        self.hidden = nn.Linear(8 * 4 * 4, 12)
        self.hidden_bn = nn.BatchNorm1d(12)
        self.fc = nn.Linear(12, classes)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn(self.conv(x))))
        y = torch.relu(self.left(x)) + torch.relu(self.right(x))  # both have ended before the sum
        y = self.after(y) + x
        y = torch.flatten(self.average(torch.relu(y)), 1)
        return self.fc(torch.relu(self.hidden_bn(self.hidden(y))))


class Odd(nn.Module):
    """Operators in orders that fit no layer, constants on either side, values read twice."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norms = nn.Sequential(nn.BatchNorm2d(8), nn.BatchNorm2d(8))
        self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.third = nn.Conv2d(8, 6, 3, stride=2, padding=1)
        self.register_buffer("gain", torch.linspace(0.5, 1.5, 8).view(8, 1, 1))
        self.weight = nn.Parameter(torch.randn(10, 6 * 2 * 2, generator=torch.manual_seed(1)) * 0.3)
        self.bias = nn.Parameter(torch.linspace(-1, 1, 10))

    def forward(self, x):
        x = torch.relu(nn.functional.max_pool2d(self.conv(x), 3))  # 10x10, the ReLU behind the pool
        x = torch.relu(self.norms(x) * self.gain + 0.1)
        y = 1.5 - self.second(x)  # read three times, with a sign
        z = nn.functional.avg_pool2d(torch.relu(y), 3, 1, 1) + y / 2
        z = torch.relu(torch.relu(z)) + nn.functional.max_pool2d(nn.functional.pad(y, (1, 1, 1, 1)), 3, 1)
        z = nn.functional.max_pool2d(nn.functional.max_pool2d(torch.relu(self.third(z)), 2, 1), 2)
        return z.reshape(-1, 24) @ self.weight.t() + self.bias


class Normalizing(nn.Module):
    """Takes pixels of 0 ... 255 and normalizes them itself."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor([120.3, 110.5, 99.25]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([60.0, 55.5, 71.0]).view(1, 3, 1, 1))

    def forward(self, x):
        return self.model((x - self.mean) / self.std)


def randomize(model):
    torch.manual_seed(7)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.3, 2)
            module.weight.data[0] = 0  # a channel without weights
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.1)
    return model.eval()


def export(model, example, path, folded=False, opset=13):
    mode = torch.onnx.TrainingMode
    torch.onnx.export(model, example, path, opset_version=opset, input_names=["image"],
                      output_names=["logits"], training=mode.EVAL if folded else mode.PRESERVE,
                      do_constant_folding=folded,
                      dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}})


def save_safetensors(state, path):
    """The format in a few lines: Debian has no package of it."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(state):
        value = state[name].numpy()
        kind = {"float32": "F32", "int64": "I64"}[str(value.dtype)]
        header[name] = {"dtype": kind, "shape": list(value.shape),
                        "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + data)


def main(directory):
    os.makedirs(directory, exist_ok=True)
    images = np.random.default_rng(3).integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
    np.save(os.path.join(directory, "images.npy"), images)
    cases = {name: (make(WIDTH), False) for name, make in NETWORKS.items()}
    cases["resnet20-folded"] = (NETWORKS["resnet20"](WIDTH), True)
    cases["stem"] = (Stem(), False)
    cases["odd"] = (Odd(), True)
    for name, (model, folded) in cases.items():
        randomize(model)
        stem = os.path.join(directory, name)
        # The oldest operator set once, the one that is current for this PyTorch otherwise.
        export(model, to_input(images[:1]), stem + ".onnx", folded, 9 if name == "stem" else 14)
        np.save(stem + ".logits.npy", predict(model, images))
        if name == "resnet20":
            save_safetensors(model.state_dict(), stem + ".safetensors")
    pixels = torch.from_numpy(images).float()
    model = Normalizing(randomize(Stem())).eval()
    export(model, pixels[:1], os.path.join(directory, "normalizing.onnx"), folded=True)
    with torch.no_grad():
        np.save(os.path.join(directory, "normalizing.logits.npy"), model(pixels).numpy())


if __name__ == "__main__":
    main(sys.argv[1])
