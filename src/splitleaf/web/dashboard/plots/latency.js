// How many images were done within how many milliseconds.

import { milliseconds, number, percent, range } from "../elements/format.js";
import { table } from "../elements/table.js";
import { freshId, h } from "../js/dom.js";
import { colour, plotFigure } from "./figure.js";

const PARTS = [
  ["total", "Total"],
  ["queue", "Queue"],
  ["inference", "Inference"],
];

/** Return the curves of the report's `latency`, with a choice of what is timed, and the percentiles. */
export function latencySection(latency, arms) {
  const index = (name) => arms.findIndex((arm) => arm.name === name);
  const place = h("div");
  const show = (part) => place.replaceChildren(curvePlot(latency, part, index), quantileTable(latency, part));
  const present = PARTS.filter(([part]) => latency.curves.some((curve) => curve.part === part));
  if (!present.length) return h("p", { class: "nothing" }, "There are no answers yet.");
  show(present[0][0]);
  return h("div", { class: "stack" }, choice(present, show), place);
}

function choice(parts, show) {
  const name = freshId("part");
  return h(
    "fieldset",
    { class: "segments" },
    h("legend", { class: "visually-hidden" }, "Part of the latency"),
    parts.map(([value, word], place) =>
      h(
        "label",
        {},
        h("input", { type: "radio", name, value, checked: place === 0, onchange: () => show(value) }),
        h("span", {}, word),
      ),
    ),
  );
}

function curvePlot(latency, part, index) {
  const curves = latency.curves.filter((curve) => curve.part === part && curve.ms.length > 1);
  const rows = curves.flatMap(({ arm, ms, share }) =>
    ms.map((value, place) => ({ arm, ms: Math.max(0.1, value), share: share[place] })),
  );
  const isTotal = part === "total" && latency.threshold_ms !== null;
  return plotFigure({
    title: "Share of images completed within a time",
    note: "Further to the left is faster. The dotted lines are p50, p95 and p99.",
    summary: `Curves of ${curves.map(({ arm }) => arm).join(" and ")}; the percentiles are in the table below.`,
    legend: curves.map(({ arm }) => ({ name: arm, index: index(arm) })),
    height: 260,
    draw: (Plot, { isNarrow }) => ({
      marginBottom: 40,
      x: { type: "log", label: "ms, logarithmic →", ticks: isNarrow ? 3 : 6, tickFormat: "~s", grid: true },
      y: { label: null, domain: [0, 1], tickFormat: (value) => `${value * 100} %`, ticks: [0, 0.25, 0.5, 0.75, 1] },
      marks: [
        Plot.ruleY([0.5, 0.95, 0.99], { stroke: "var(--edge)", strokeDasharray: "2,4" }),
        curves.map(({ arm }) =>
          Plot.lineY(
            rows.filter((row) => row.arm === arm),
            { x: "ms", y: "share", stroke: colour(index(arm)), strokeWidth: 2.5 },
          ),
        ),
        isTotal &&
          Plot.ruleX([latency.threshold_ms], { stroke: "var(--series-4)", strokeDasharray: "5,4", strokeWidth: 1.5 }),
        isTotal &&
          Plot.text([latency.threshold_ms], {
            x: (one) => one,
            text: () => "threshold",
            frameAnchor: "top",
            dy: -12,
            fill: "var(--series-4)",
          }),
        Plot.tip(
          rows,
          Plot.pointer({
            x: "ms",
            y: "share",
            title: (row) => `${row.arm}\n${percent(row.share)} within ${milliseconds(row.ms)}`,
          }),
        ),
      ].flat(),
    }),
  });
}

function quantileTable(latency, part) {
  const rows = latency.quantiles.filter((one) => one.part === part);
  return table({
    caption: "Percentiles with their intervals",
    isDense: true,
    columns: [
      { name: "Arm", value: ({ arm }) => arm },
      { name: "Percentile", value: ({ quantile }) => `p${number(quantile * 100, 0)}`, number: true },
      { name: "Measured", value: ({ measured }) => milliseconds(measured?.value), number: true },
      {
        name: "Interval",
        value: ({ measured }) =>
          measured ? range(milliseconds(measured.low), milliseconds(measured.high)) : "not enough data",
        number: true,
      },
    ],
    rows,
    empty: "Not enough data yet.",
  });
}
