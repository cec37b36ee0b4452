#!/usr/bin/env python3
"""Trains the networks a little, exports them to ONNX and writes logits to compare with.

    train_networks.py CIFAR10-DIR OUTPUT-DIR [--networks resnet20,...] [--steps 200] [--width 0.5]

For each: NAME.onnx, NAME.safetensors (the state_dict; only with the safetensors package),
NAME.logits.npy of the first 1,000 test images, images.npy. Input: (pixel/255 - mean)/std.
"""

import argparse
import os

import cifar
import numpy as np
import torch
from networks import NETWORKS
from torch import nn

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def to_input(images):
    x = torch.from_numpy(images).float() / 255
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def train(model, images, labels, steps, generator):
    optimizer = torch.optim.SGD(model.parameters(), 0.05, 0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=max(steps, 4))
    model.train()
    for _ in range(steps):
        at = torch.randint(len(images), (64,), generator=generator).numpy()
        loss = nn.functional.cross_entropy(model(to_input(images[at])), torch.from_numpy(labels[at]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        schedule.step()
    model.eval()


def predict(model, images):
    with torch.no_grad():
        parts = [images[i:i + 100] for i in range(0, len(images), 100)]
        return torch.cat([model(to_input(part)) for part in parts]).numpy()


def save_state(model, path):
    try:
        from safetensors.torch import save_file
    except ImportError:
        return
    save_file(model.state_dict(), path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("output")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--opset", type=int, default=13)
    parser.add_argument("--keep-batch-norm", action="store_true", default=True)
    parser.add_argument("--fold-batch-norm", dest="keep_batch_norm", action="store_false")
    args = parser.parse_args()
    os.makedirs(args.output, exist_ok=True)
    images, labels = cifar.read(args.data, "train")
    test, test_labels = cifar.read(args.data, "test")
    np.save(os.path.join(args.output, "images.npy"), test[:1000])
    for name in args.networks.split(","):
        torch.manual_seed(1)
        model = NETWORKS[name](args.width)
        train(model, images, labels, args.steps, torch.Generator().manual_seed(1))
        logits = predict(model, test[:1000])
        stem = os.path.join(args.output, name)
        np.save(stem + ".logits.npy", logits)
        save_state(model, stem + ".safetensors")
        mode = torch.onnx.TrainingMode
        # PRESERVE in evaluation mode keeps batch norm as nodes; EVAL folds it into the weights.
        torch.onnx.export(model, to_input(test[:1]), stem + ".onnx", opset_version=args.opset,
                          input_names=["image"], output_names=["logits"],
                          training=mode.PRESERVE if args.keep_batch_norm else mode.EVAL,
                          do_constant_folding=not args.keep_batch_norm,
                          dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}})
        correct = (logits.argmax(1) == test_labels[:1000]).mean()
        print("%s: %d steps, top-1 %.1f %% of 1,000 test images" % (name, args.steps, 100 * correct))


if __name__ == "__main__":
    main()
