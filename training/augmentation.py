"""What may happen to a photo of a leaf without changing its condition. Works on whole batches, on any device.

Served photos come from fields: other backgrounds, harder light, blur, other crops and colours than the plain
photos that are trained on.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

SCALE = math.log(1.5)
"""Largest zoom, in and out, as a logarithm; zooming out goes half as far."""
STRETCH = math.log(1.15)
SHIFT = 0.15
GAIN = 0.35
"""Largest change of the logarithm of brightness, contrast and saturation."""
TINT = 0.1
SLOPE = 0.4
"""Largest fall of light across the image."""
NOISE = 8.0
REPLACED = 0.3
"""Share of the images whose background is replaced."""
SLOPED = 0.3


def augment(pixels: torch.Tensor, strength: float) -> torch.Tensor:
    """Return (n, 3, side, side) float 0-255 from (n, 4, side, side): red, green, blue, leaf mask, all 0-255."""
    pixels = _replace_background(_move(pixels, strength), REPLACED * strength)
    images = _relight(pixels, strength)
    images = _blur(images, strength)
    return (images + torch.randn_like(images) * (_uniform(images, 0.0, NOISE * strength))).clamp(0.0, 255.0)


def _move(pixels: torch.Tensor, strength: float) -> torch.Tensor:
    """Turn by any angle, mirror, zoom, stretch and shift; what comes into view is mirrored at the border."""
    count, device = len(pixels), pixels.device
    angle = torch.rand(count, device=device) * 2 * math.pi
    # The angles of a served photo are multiples of 90 degrees as often as not.
    upright = torch.rand(count, device=device) < 0.5
    angle = torch.where(upright, (angle / (math.pi / 2)).floor() * (math.pi / 2), angle)
    zoom = torch.exp(-SCALE * strength * (torch.rand(count, device=device) * 1.5 - 0.5))
    stretch = torch.exp(STRETCH * strength * (torch.rand(count, device=device) * 2 - 1))
    mirror = torch.where(torch.rand(count, device=device) < 0.5, 1.0, -1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    shift = (torch.rand(count, 2, device=device) * 2 - 1) * SHIFT * strength
    across = torch.stack([cos * zoom * stretch * mirror, -sin * zoom / stretch, shift[:, 0]], dim=1)
    down = torch.stack([sin * zoom * stretch * mirror, cos * zoom / stretch, shift[:, 1]], dim=1)
    grid = functional.affine_grid(torch.stack([across, down], dim=1), list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def _replace_background(pixels: torch.Tensor, share: float) -> torch.Tensor:
    """Lay the leaf of some images on another background; return (n, 3, side, side)."""
    images, alpha = pixels[:, :3], pixels[:, 3:] / 255
    chosen = (torch.rand(len(pixels), device=pixels.device) < share).nonzero()[:, 0]
    if not len(chosen):
        return images
    images = images.clone()
    others = images[torch.randint(len(images), (len(chosen),), device=pixels.device)]
    cover = alpha[chosen]
    drawn = torch.where(_uniform(others, 0.0, 1.0) < 0.5, _foliage(others), _texture(others))
    images[chosen] = images[chosen] * cover + drawn * (1 - cover)
    return images


def _foliage(images: torch.Tensor) -> torch.Tensor:
    """Return other leaves, near and out of focus."""
    side = images.shape[2]
    small = functional.adaptive_avg_pool2d(images[:, :, side // 4 : side - side // 4, side // 4 : side - side // 4], 12)
    near = functional.interpolate(small, size=(side, side), mode="bilinear", align_corners=False)
    return near * _uniform(images, 0.4, 1.2)


def _texture(images: torch.Tensor) -> torch.Tensor:
    """Return noise of several scales between two colours: soil, mulch, sky, hands, pots."""
    count, side = len(images), images.shape[2]
    shape = torch.zeros(count, 1, side, side, device=images.device)
    for cells in (3, 8, 24, 64):
        grid = torch.rand(count, 1, cells, cells, device=images.device) / math.sqrt(cells)
        shape = shape + functional.interpolate(grid, size=(side, side), mode="bilinear", align_corners=False)
    shape = (shape - shape.amin(dim=(2, 3), keepdim=True)) / (shape.amax(dim=(2, 3), keepdim=True) + 1e-6)
    one, two = torch.rand(2, count, 3, 1, 1, device=images.device) * 255
    return one * shape + two * (1 - shape)


def _relight(images: torch.Tensor, strength: float) -> torch.Tensor:
    """Change brightness, contrast, saturation and tint of each image, and let light fall across some."""
    gain = GAIN * strength
    gray = images.mean(dim=1, keepdim=True)
    images = gray + (images - gray) * torch.exp(_uniform(images, -gain, gain))
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - mean) * torch.exp(_uniform(images, -gain, gain)) + mean
    tint = 1 + (torch.rand(len(images), 3, 1, 1, device=images.device) * 2 - 1) * TINT * strength
    images = images * tint * torch.exp(_uniform(images, -gain, gain))
    line = torch.linspace(-1, 1, images.shape[2], device=images.device)
    steep = _uniform(images, 0.0, SLOPE * strength) * (_uniform(images, 0.0, 1.0) < SLOPED)
    angle = _uniform(images, 0.0, 2 * math.pi)
    plane = torch.cos(angle) * line[None, None, :, None] + torch.sin(angle) * line[None, None, None, :]
    return images * (1 + steep * plane)


def _blur(images: torch.Tensor, strength: float) -> torch.Tensor:
    """Blur each image a little or a lot, or sharpen it."""
    soft = _binomial(_binomial(images, 2), 3)
    return images + _uniform(images, -0.7 * strength, strength) * (soft - images)


def _binomial(images: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the images smoothed along an axis by 1 4 6 4 1; sums of slices are far faster than a convolution."""
    wide = functional.pad(images, (2, 2, 0, 0) if axis == 3 else (0, 0, 2, 2), mode="reflect")
    side = images.shape[axis]
    parts = [wide.narrow(axis, start, side) for start in range(5)]
    return (parts[0] + parts[4]).add_(parts[1] + parts[3], alpha=4).add_(parts[2], alpha=6).div_(16)


def _uniform(images: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Return one number for each image, shaped to be multiplied with the batch."""
    return torch.rand(len(images), 1, 1, 1, device=images.device) * (high - low) + low
