// Windows of a version's live images beside the images of its import.

import { count, moment, number } from "../elements/format.js";
import { limit } from "./axes.js";
import { plotFigure } from "./figure.js";

/** Return each window's measures by their limits; null while no window is full. */
export function windowPlot({ windows, window, reference }) {
  const rows = windows.flatMap(({ measures, ...rest }) =>
    measures.map((one) => ({ ...rest, ...one, ratio: one.index / one.limit, name: one.measure.replaceAll("_", " ") })),
  );
  if (!rows.length) return null;
  const off = rows.filter((row) => row.is_drift);
  const alarms = windows.filter((one) => one.is_alarm).length;
  return plotFigure({
    title: "Drift relative to the limits",
    note: `Each window of ${count(window)} images is compared with ${reference}. Above 1, a measure exceeds its limit.`,
    summary: alarms
      ? `${count(alarms)} of ${count(windows.length)} windows exceed a limit: ${[...new Set(off.map((row) => row.name))].join(", ")}.`
      : `None of ${count(windows.length)} windows exceeds a limit.`,
    draw: (Plot, { isNarrow }) => ({
      marginBottom: 36,
      x: {
        label: "window →",
        domain: [windows[0].number - 0.5, windows.at(-1).number + 0.5],
        ticks: isNarrow ? 3 : Math.min(windows.length, 12),
        tickFormat: (value) => (Number.isInteger(value) ? count(value) : ""),
      },
      y: {
        label: "↑ index / limit",
        domain: [0, Math.max(1.3, ...rows.map((row) => row.ratio * 1.1))],
        grid: true,
        ticks: 4,
      },
      marks: [
        Plot.dot(rows, {
          x: "number",
          y: "ratio",
          r: (row) => (row.is_drift ? 5 : 3),
          fill: (row) => (row.is_drift ? "var(--series-4)" : "var(--series-0)"),
        }),
        limit(Plot, { y: 1, word: "limit" }),
        Plot.tip(
          rows,
          Plot.pointer({
            x: "number",
            y: "ratio",
            title: (row) =>
              `${row.name}\nindex ${number(row.index, 3)}, at most ${number(row.limit, 3)}\n${moment(row.first_at)} to ${moment(row.last_at)}`,
          }),
        ),
      ],
    }),
    columns: [
      { name: "Window", value: (row) => count(row.number), number: true },
      { name: "Until", value: (row) => moment(row.last_at) },
      { name: "Measure", value: (row) => row.name },
      { name: "Index", value: (row) => number(row.index, 3), number: true },
      { name: "At most", value: (row) => number(row.limit, 3), number: true },
      { name: "Drifted", value: (row) => (row.is_drift ? "yes" : "no") },
    ],
    rows,
  });
}
