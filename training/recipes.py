"""How each version is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

WARM_UP = 0.05
"""Share of the steps in which the learning rate rises."""
MORE = 0.3
"""Share of the highest rate at which added epochs begin."""


@dataclass(frozen=True)
class Phase:
    """Some epochs at one side of the images, in pixels. `strength` 1.0 is the whole augmentation."""

    side: int
    epochs: int
    strength: float = 1.0
    mixed: float = 0.0
    """Largest part of another image that is laid over one."""


@dataclass(frozen=True)
class Recipe:
    """A network and its training. The sides are multiples of two to the power of the number of stages."""

    side: int
    """Of the served network."""
    widths: tuple[int, ...]
    """Channels of each stage; every stage halves the side."""
    blocks: tuple[int, ...]
    """Residual blocks of each stage."""
    phases: tuple[Phase, ...]
    """One after the other. Smaller images first (progressive resizing) teach most at a part of the cost."""
    learning_rate: float = 1.5e-2
    """The highest of the kernels (Muon)."""
    other_rate: float = 0.5
    """Of scales, offsets and the last layer (AdamW), as a share of the kernels'."""
    batch_size: int = 64
    weight_decay: float = 0.1
    dropout: float = 0.2
    label_smoothing: float = 0.05
    average_decay: float = 0.998
    """Of the moving average of the weights, which is what is served."""
    teacher_share: float = 0.9
    """Of the loss, where there is a teacher."""
    teacher_temperature: float = 2.0

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.phases)

    def stretched(self, epochs: int) -> Recipe:
        """Return the same in that many epochs, each phase longer or shorter in proportion."""
        ends = [round(epochs * end / self.epochs) for end in accumulate(phase.epochs for phase in self.phases)]
        lengths = [end - start for start, end in pairwise([0, *ends])]
        phases = zip(self.phases, lengths, strict=True)
        return replace(self, phases=tuple(replace(phase, epochs=length) for phase, length in phases))

    def weakened(self, share: float) -> Recipe:
        """Return the same with that share of each phase's augmentation."""
        return replace(self, phases=tuple(replace(phase, strength=phase.strength * share) for phase in self.phases))

    def phase_of(self, epoch: int) -> Phase:
        """Return the phase of a zero-based epoch; the last one has no end."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase
            epoch -= phase.epochs
        return self.phases[-1]

    def rate(self, epoch: float, epochs: int) -> float:
        """Return the learning rate after a number of epochs; those beyond the recipe's have a separate schedule."""
        if epoch < self.epochs:
            return learning_rate_at(epoch / self.epochs, self.learning_rate)
        return learning_rate_at((epoch - self.epochs) / (epochs - self.epochs), self.learning_rate * MORE)


def learning_rate_at(progress: float, highest: float) -> float:
    """Return the rate after that share (0 to 1) of all steps: a rise, then half a cosine down to a hundredth."""
    if progress < WARM_UP:
        return highest * (0.02 + 0.98 * progress / WARM_UP)
    share = (progress - WARM_UP) / (1 - WARM_UP)
    return highest * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, share))) / 2)


RECIPES = {
    # Not served: large networks whose answers teach the versions that are. They need a GPU.
    "teacher": Recipe(
        side=144,
        widths=(48, 96, 192, 320),
        blocks=(1, 2, 3, 2),
        phases=(Phase(128, 69, 0.7, 0.5), Phase(128, 23, 0.3)),
        batch_size=128,
    ),
    "v1": Recipe(
        side=96,
        widths=(16, 32, 80, 128),
        blocks=(0, 1, 1, 1),
        phases=(Phase(96, 64, 0.5, 0.5), Phase(96, 22, 0.3)),
        batch_size=128,
        dropout=0.0,
    ),
    "v2": Recipe(
        side=128,
        widths=(32, 64, 96, 160),
        blocks=(0, 2, 2, 1),
        phases=(Phase(128, 64, 0.6, 0.5), Phase(128, 22, 0.3)),
        batch_size=128,
        dropout=0.1,
    ),
}
