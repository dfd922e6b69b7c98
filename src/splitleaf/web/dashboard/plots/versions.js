// Versions by what they were measured to be at their import.

import { milliseconds, percent } from "../elements/format.js";
import { colour, plotFigure } from "./figure.js";

/** Return accuracy against inference time; each of `models` has an evaluation. */
export function versionPlot(models) {
  const rows = models.map(({ version, evaluation }, index) => ({ version, index, ...evaluation }));
  const best = rows.reduce((one, other) => (other.accuracy > one.accuracy ? other : one));
  const fastest = rows.reduce((one, other) => (other.latency_ms < one.latency_ms ? other : one));
  return plotFigure({
    title: "Measured at import",
    note: "Higher is more accurate, further left is faster. The bars are 95 % intervals.",
    summary: `${best.version} is the most accurate (${percent(best.accuracy)}), ${fastest.version} is the fastest (${milliseconds(fastest.latency_ms)}).`,
    height: 260,
    draw: (Plot) => ({
      marginTop: 28,
      marginBottom: 40,
      x: {
        label: "inference of one image, ms →",
        domain: [0, Math.max(...rows.map((row) => row.latency_ms)) * 1.25],
        grid: true,
      },
      y: { label: "↑ accuracy", tickFormat: (value) => percent(value, 0), grid: true, nice: true, ticks: 5 },
      marks: [
        Plot.ruleX(rows, {
          x: "latency_ms",
          y1: "accuracy_low",
          y2: "accuracy_high",
          stroke: (row) => colour(row.index),
          strokeWidth: 2,
        }),
        Plot.dot(rows, { x: "latency_ms", y: "accuracy", fill: (row) => colour(row.index), r: 6 }),
        Plot.text(rows, {
          x: "latency_ms",
          y: "accuracy",
          text: "version",
          dx: 12,
          textAnchor: "start",
          fill: "var(--ink)",
          fontWeight: 600,
          fontSize: 13,
        }),
      ],
    }),
    columns: [
      { name: "Version", value: (row) => row.version },
      { name: "Accuracy", value: (row) => percent(row.accuracy), number: true },
      {
        name: "95 % interval",
        value: (row) => `${percent(row.accuracy_low)} to ${percent(row.accuracy_high)}`,
        number: true,
      },
      { name: "Inference", value: (row) => milliseconds(row.latency_ms), number: true },
    ],
    rows,
  });
}
