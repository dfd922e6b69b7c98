"""The architecture in PyTorch, where it trains fast; `keras_network.py` has the same in Keras.

Raw 8-bit pixels in, probabilities out; standard layers only. It ends in global average pooling and one dense
layer, so that the feature vector and class activation maps (Zhou et al. 2016) come out of one pass.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from training.recipes import Recipe

EPSILON = 1e-3


class Unit(nn.Module):
    """A 3 x 3 convolution, padded as Keras pads, and batch normalisation."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, scale: float = 1.0) -> None:
        super().__init__()
        self.stride = stride
        # A matrix (outputs, inputs * 9), because Muon works on matrices.
        self.kernel = nn.Parameter(torch.randn(outputs, inputs * 9) * math.sqrt(2 / (outputs * 9)))
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON)
        nn.init.constant_(self.norm.weight, scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stride == 2:
            x = functional.pad(x, (0, 1, 0, 1))
        kernel = self.kernel.unflatten(1, (-1, 3, 3))
        return self.norm(functional.conv2d(x, kernel, stride=self.stride, padding=0 if self.stride == 2 else 1))


class LeafNetwork(nn.Module):
    """Pixels (n, 3, side, side), 0-255 -> logits (n, classes)."""

    def __init__(self, recipe: Recipe, classes: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.units = nn.ModuleDict()
        inputs = 3
        for stage, (width, blocks) in enumerate(zip(recipe.widths, recipe.blocks, strict=True)):
            self.units[f"stage{stage}"] = Unit(inputs, width, stride=2)
            for block in range(blocks):
                self.units[f"stage{stage}_block{block}_a"] = Unit(width, width)
                self.units[f"stage{stage}_block{block}_b"] = Unit(width, width, scale=0.0)
            inputs = width
        self.dropout = nn.Dropout(recipe.dropout)
        self.condition = nn.Linear(inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x / 127.5 - 1.0
        for stage, blocks in enumerate(self.recipe.blocks):
            x = torch.relu(self.units[f"stage{stage}"](x))
            for block in range(blocks):
                y = torch.relu(self.units[f"stage{stage}_block{block}_a"](x))
                x = torch.relu(x + self.units[f"stage{stage}_block{block}_b"](y))
        return self.condition(self.dropout(x.mean(dim=(2, 3))))
