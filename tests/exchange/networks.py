"""The networks of the exchange test, as one would write them in PyTorch.

Nothing here knows of intandem. `width` scales the channels.
"""

import torch
from torch import nn


class AlexNetCifar(nn.Module):
    """AlexNet for 32x32 images, biases and no batch norm, dropout before the linear layers."""

    def __init__(self, width=1.0, classes=10):
        super().__init__()
        c = [max(8, int(n * width)) for n in (64, 192, 384, 256, 256, 1024)]
        self.features = nn.Sequential(
            nn.Conv2d(3, c[0], 3, stride=2, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(c[0], c[1], 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(c[1], c[2], 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(c[2], c[3], 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(c[3], c[4], 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(c[4] * 4, c[5]), nn.ReLU(inplace=True),
            nn.Dropout(0.2), nn.Linear(c[5], c[5]), nn.ReLU(inplace=True),
            nn.Linear(c[5], classes))

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.view(x.size(0), -1))


class VggSmallBn(nn.Module):
    """Six convolutions of 3x3 with batch norm and a bias each, one linear layer."""

    def __init__(self, width=1.0, classes=10):
        super().__init__()
        layers, inputs = [], 3
        for n, pool in ((128, False), (128, True), (256, False), (256, True), (512, False), (512, True)):
            out = max(8, int(n * width))
            layers += [nn.Conv2d(inputs, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(2, 2)] if pool else []
            inputs = out
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(inputs * 16, classes)

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class BasicBlock(nn.Module):
    def __init__(self, inputs, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or inputs != out:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, out, 1, stride, bias=False),
                                            nn.BatchNorm2d(out))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet20(nn.Module):
    """He et al. 2016 for CIFAR-10, projection shortcuts."""

    def __init__(self, width=1.0, classes=10):
        super().__init__()
        c = [max(8, int(n * width)) for n in (16, 32, 64)]
        self.conv1 = nn.Conv2d(3, c[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c[0])
        blocks, inputs = [], c[0]
        for stage, out in enumerate(c):
            for block in range(3):
                blocks.append(BasicBlock(inputs, out, 2 if stage > 0 and block == 0 else 1))
                inputs = out
        self.layers = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.layers(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.pool(x), 1))


class MobileNetV1Small(nn.Module):
    """Depthwise and pointwise convolutions after Howard et al. 2017, with ReLU, for 32x32 images."""

    def __init__(self, width=1.0, classes=10):
        super().__init__()
        plan = [(32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2)]

        def scaled(n):
            return max(8, int(n * width))

        def unit(inputs, out, kernel, stride, groups):
            return [nn.Conv2d(inputs, out, kernel, stride, kernel // 2, groups=groups, bias=False),
                    nn.BatchNorm2d(out), nn.ReLU(inplace=True)]

        layers = unit(3, scaled(32), 3, 1, 1)
        for inputs, out, stride in plan:
            i, o = scaled(inputs), scaled(out)
            layers += unit(i, i, 3, stride, i) + unit(i, o, 1, 1, 1)
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(scaled(512), classes)

    def forward(self, x):
        return self.fc(self.features(x).mean([2, 3]))


NETWORKS = {"alexnet-cifar": AlexNetCifar, "vgg-small-bn": VggSmallBn, "resnet20": ResNet20,
            "mobilenetv1-small": MobileNetV1Small}
