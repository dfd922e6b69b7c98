"""Small SVG charts: two axes and what lies between them. Colours are classes, for a style sheet to turn dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 14, 40
_STEPS: Final = (1, 2, 2.5, 5, 10)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values along one side."""

    low: float
    high: float
    label: Callable[[float], str]
    title: str = ""

    @classmethod
    def around(cls, values: Sequence[float], label: Callable[[float], str], title: str = "", pad: float = 0.05) -> Axis:
        """Return an axis that shows all the values, and a little more."""
        low, high = min(values, default=0.0), max(values, default=1.0)
        more = (high - low) * pad or abs(high) * pad or 1.0
        return cls(low - more, high + more, label, title)

    def ticks(self, count: int = 5) -> list[float]:
        """Return round values, about so many."""
        raw = (self.high - self.low) / count
        size = 10 ** math.floor(math.log10(raw))
        step = size * next(one for one in _STEPS if one * size >= raw * 0.999)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step) + 1)]


@dataclass(slots=True)
class Chart:
    """Collects marks; `svg` draws them. A mark's class says which arm it is of: `arm0` is control."""

    title: str
    """Read aloud instead of the image."""
    x: Axis
    y: Axis
    height: int = HEIGHT
    _marks: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str]] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        width, height = WIDTH - _LEFT - _RIGHT, self.height - _TOP - _BOTTOM
        across = (x - self.x.low) / (self.x.high - self.x.low)
        up = (y - self.y.low) / (self.y.high - self.y.low)
        return round(_LEFT + across * width, 1), round(_TOP + (1 - up) * height, 1)

    def line(self, points: Points, name: str) -> None:
        if points:
            self._marks.append(f'<polyline class="line {name}" points="{self._path(points)}"/>')

    def band(self, low: Points, high: Points, name: str) -> None:
        if low:
            around = self._path([*low, *reversed(high)])
            self._marks.append(f'<polygon class="band {name}" points="{around}"/>')

    def level(self, y: float, name: str, text: str) -> None:
        """Draw a line across, with a word at its end; nothing where it lies outside."""
        if not self.y.low <= y <= self.y.high:
            return
        (left, at), (right, _) = self.at(self.x.low, y), self.at(self.x.high, y)
        self._marks.append(f'<line class="level {name}" x1="{left}" y1="{at}" x2="{right}" y2="{at}"/>')
        self._marks.append(f'<text class="note" x="{right - 4}" y="{at - 4}" text-anchor="end">{escape(text)}</text>')

    def moment(self, x: float, text: str, down: float = 0) -> None:
        """Draw a line upwards, with a word at its top, or so far below it."""
        if not self.x.low <= x <= self.x.high:
            return
        (at, top), (_, bottom) = self.at(x, self.y.high), self.at(x, self.y.low)
        self._marks.append(f'<line class="level" x1="{at}" y1="{top}" x2="{at}" y2="{bottom}"/>')
        self._marks.append(f'<text class="note" x="{at + 3}" y="{top + 10 + down}">{escape(text)}</text>')

    def bar(self, left: float, right: float, low: float, high: float, name: str) -> None:
        (x1, y1), (x2, y2) = self.at(left, high), self.at(right, low)
        size = f'x="{x1}" y="{y1}" width="{max(x2 - x1 - 0.5, 0.5):.1f}" height="{max(y2 - y1, 0):.1f}"'
        self._marks.append(f'<rect class="bar {name}" {size}/>')

    def point(self, x: float, y: float, name: str, text: str = "") -> None:
        at_x, at_y = self.at(x, y)
        title = f"<title>{escape(text)}</title>" if text else ""
        self._marks.append(f'<circle class="point {name}" cx="{at_x}" cy="{at_y}" r="4">{title}</circle>')

    def span(self, start: tuple[float, float], end: tuple[float, float], name: str) -> None:
        """Draw an interval: a line between two points."""
        (x1, y1), (x2, y2) = self.at(*start), self.at(*end)
        self._marks.append(f'<line class="span {name}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')

    def text(self, x: float, y: float, text: str) -> None:
        at_x, at_y = self.at(x, y)
        self._marks.append(f'<text class="note" x="{at_x + 6}" y="{at_y - 6}">{escape(text)}</text>')

    def legend(self, name: str, text: str) -> None:
        self._legend.append((name, text))

    def svg(self) -> str:
        parts = [self._axes(), *self._marks]
        keys = "".join(f'<li><i class="key {name}"></i>{escape(text)}</li>' for name, text in self._legend)
        image = (
            f'<svg viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{escape(self.title)}">'
            f"{''.join(parts)}</svg>"
        )
        return f"{image}<ul class='legend'>{keys}</ul>" if keys else image

    def _path(self, points: Points) -> str:
        return " ".join("{},{}".format(*self.at(*one)) for one in points)

    def _axes(self) -> str:
        parts = []
        for value in self.y.ticks():
            left, at = self.at(self.x.low, value)
            right, _ = self.at(self.x.high, value)
            parts.append(f'<line class="grid" x1="{left}" y1="{at}" x2="{right}" y2="{at}"/>')
            label = escape(self.y.label(value))
            parts.append(f'<text class="tick" x="{left - 6}" y="{at + 4}" text-anchor="end">{label}</text>')
        for value in self.x.ticks():
            at, bottom = self.at(value, self.y.low)
            label = escape(self.x.label(value))
            parts.append(f'<text class="tick" x="{at}" y="{bottom + 17}" text-anchor="middle">{label}</text>')
        end, bottom = self.at(self.x.high, self.y.low)
        title = escape(self.x.title)
        parts.append(f'<text class="tick" x="{end}" y="{bottom + 35}" text-anchor="end">{title}</text>')
        return "".join(parts)
