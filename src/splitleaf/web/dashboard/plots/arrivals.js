// Images by arm over time, with the stages of the ramp.

import { clock, count, counted, day, moment, short } from "../elements/format.js";
import { timeAxis } from "./axes.js";
import { colour, plotFigure } from "./figure.js";

/** Return the plot of the report's `traffic` and `ramp`. */
export function arrivalPlot(traffic, ramp, arms) {
  const shown = arms.map((arm, index) => ({ ...arm, index })).filter(({ name }) => traffic.images[name]);
  const rows = traffic.start_ms.map((at, period) => ({
    start: new Date(at),
    end: new Date(at + traffic.period_ms),
    images: shown.map(({ name }) => traffic.images[name][period] ?? 0),
  }));
  const bars = rows.flatMap((row) => stacked(row, shown));
  // One stage of which control has everything is no stage.
  const staged = ramp.length > 1 || shown.length > 1 ? ramp : [];
  const total = rows.reduce((sum, row) => sum + row.images.reduce((one, other) => one + other, 0), 0);
  return plotFigure({
    title: staged.length ? "Images and stages" : "Images",
    note: staged.length ? "Each vertical line marks the start of a stage, with the candidate's share." : "",
    summary: `${counted(total, "image")} in ${counted(ramp.length, "stage")}.`,
    legend: shown,
    draw: (Plot, space) => ({
      marginTop: 34,
      x: timeAxis(rows[0].start, rows.at(-1).end, space),
      y: { label: null, grid: true, ticks: 4, tickFormat: short },
      marks: [
        Plot.rectY(bars, {
          x1: "start",
          x2: "end",
          y1: "from",
          y2: "to",
          fill: (bar) => colour(bar.index),
          insetLeft: 0.5,
          insetRight: 0.5,
        }),
        Plot.ruleY([0], { stroke: "var(--edge)" }),
        stages(Plot, staged, arms[0].name, rows[0].start, space),
        Plot.tip(
          rows,
          Plot.pointerX({
            x: (row) => new Date((row.start.getTime() + row.end.getTime()) / 2),
            y: (row) => row.images.reduce((one, other) => one + other, 0),
            title: (row) => titleOf(row, shown),
          }),
        ),
      ].flat(),
    }),
    columns: [
      { name: "From", value: (row) => `${day(row.start)} ${clock(row.start)}` },
      ...shown.map(({ name }, index) => ({ name, value: (row) => count(row.images[index]), number: true })),
    ],
    rows,
  });
}

function stacked(row, shown) {
  let from = 0;
  return shown.map(({ index }, place) => {
    const bar = { start: row.start, end: row.end, index, from, to: from + row.images[place] };
    from = bar.to;
    return bar;
  });
}

function stages(Plot, ramp, control, first, { isNarrow }) {
  // A stage that began before the first image stands at the axis, and not beyond it.
  const marks = ramp.map((stage) => ({
    at: new Date(Math.max(stage.at_ms, first.getTime())),
    word: shareOf(stage, control),
  }));
  return [
    Plot.ruleX(marks, { x: "at", stroke: "var(--ink)", strokeWidth: 1.5 }),
    !isNarrow || marks.length < 4
      ? Plot.text(marks, {
          x: "at",
          text: "word",
          frameAnchor: "top",
          textAnchor: "start",
          dx: 3,
          dy: -18,
          fill: "var(--ink)",
        })
      : null,
  ];
}

function shareOf({ shares }, control) {
  const candidates = Object.entries(shares).filter(([name]) => name !== control);
  return candidates.length ? `${candidates.reduce((sum, [, share]) => sum + share, 0)} %` : "all";
}

function titleOf(row, shown) {
  return [moment(row.start), ...shown.map(({ name }, index) => `${name}: ${count(row.images[index])}`)].join("\n");
}
