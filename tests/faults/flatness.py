"""Whether what was sampled stays as it is, and an image of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Final

from splitleaf.web.report.chart import Axis, Chart

Sample = dict[str, float]
"""By name; `minutes` since the beginning among them."""
TOLERANCE: Final = 0.05
SMALL: Final = {"MB": 3.0, "descriptors": 4.0, "keys": 200.0, "streams": 20.0, "feed": 50.0}
"""Differences, by the last word of a name, that mean nothing."""
PALETTE: Final = ("#1b7837", "#762a83", "#2166ac", "#b2182b", "#8c510a", "#01665e", "#d6604d")
_STYLE: Final = (
    ".line{fill:none;stroke-width:1.5}.grid{stroke:#8884}.tick,.note{font:11px sans-serif;fill:#777}"
    ".level{stroke:#8888;stroke-dasharray:3 3}"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One series: after the warm-up of the first quarter, and at the end."""

    name: str
    before: float
    after: float

    @property
    def is_flat(self) -> bool:
        grown = self.after - self.before
        return grown <= max(SMALL[self.name.rsplit(" ", 1)[1]], TOLERANCE * self.before)

    def __str__(self) -> str:
        return f"| {self.name} | {self.before:,.1f} | {self.after:,.1f} | {'flat' if self.is_flat else 'GROWS'} |"


def judge(samples: Sequence[Sample]) -> list[Verdict]:
    """Compare the medians of the second and of the last quarter."""
    quarter = len(samples) // 4
    names = [name for name in samples[0] if name != "minutes"]
    early, late = samples[quarter : 2 * quarter] or samples, samples[3 * quarter :]
    return [Verdict(name, median(one[name] for one in early), median(one[name] for one in late)) for name in names]


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Draw memory and descriptors, each in percent of its mean, into an SVG file."""
    names = [name for name in samples[0] if name.endswith((" MB", " descriptors", " keys"))]
    lines = {name: _in_percent([one[name] for one in samples]) for name in names}
    minutes = [one["minutes"] for one in samples]
    x = Axis(0, max(minutes[-1], 1), lambda value: f"{value:g}", "minutes")
    y = Axis(0, min(400, max(150, *(max(line) for line in lines.values()))), lambda value: f"{value:.0f} %")
    chart = Chart("Memory, descriptors and keys during the soak, in percent of their means", x, y, height=320)
    colours = []
    for number, (name, line) in enumerate(lines.items()):
        chart.line([(at, min(value, y.high)) for at, value in zip(minutes, line, strict=True)], f"c{number}")
        colour = PALETTE[number % len(PALETTE)]
        dash = "stroke-dasharray:4 2" if name.endswith("descriptors") else ""
        colours.append(f".c{number}{{stroke:{colour};fill:{colour};{dash}}}.line.c{number}{{fill:none}}")
    legend = "".join(
        f'<text class="c{number}" style="stroke:none;font:11px sans-serif" x="{90 + 175 * (number % 3)}" '
        f'y="{24 + 14 * (number // 3)}">{name}</text>'
        for number, name in enumerate(lines)
    )
    svg = chart.svg().replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    style = f"<style>{_STYLE}{''.join(colours)}</style>"
    path.write_text(svg.replace("</svg>", f"{style}{legend}</svg>"), encoding="utf-8")


def _in_percent(values: Sequence[float]) -> list[float]:
    middle = mean(values) or 1.0
    return [100 * value / middle for value in values]
