// Each measure of each candidate, against control.

import { chip, count, counted, milliseconds, percent, points, range, signed } from "../elements/format.js";
import { panel } from "../elements/panel.js";
import { table } from "../elements/table.js";
import { h } from "../js/dom.js";
import { evidence } from "../plots/time-series.js";

const VERDICTS = {
  better: ["better", "good"],
  worse: ["worse", "bad"],
  not_worse: ["not worse", "good"],
  equivalent: ["equivalent", "calm"],
  undecided: ["undecided", "warn"],
  not_enough_data: ["insufficient", "calm"],
  invalid: ["invalid", "bad"],
};

export function metricsPanel(metrics, arms) {
  const rows = metrics.flatMap((metric) => rowsOf(metric));
  if (!rows.length) return null;
  const hasSeveral = arms.length > 2;
  return panel(
    "Metrics",
    table({
      caption: "Metrics",
      columns: [
        { name: "Metric", value: name },
        hasSeveral && { name: "Arm", value: ({ row }) => row.arm },
        {
          name: arms[0].name,
          value: ({ metric, control }) => measured(control?.estimate, level(metric)),
          number: true,
        },
        {
          name: hasSeveral ? "This arm" : (arms[1]?.name ?? "Candidate"),
          value: ({ metric, row }) => measured(row.estimate, level(metric)),
          number: true,
        },
        { name: "Difference", value: ({ metric, row }) => measured(row.difference, change(metric)), number: true },
        { name: "E-value", value: ({ row }) => evidence(row.log10_e), number: true },
        { name: "Verdict", value: ({ row }) => verdict(row) },
        { name: "Sample", value: basis, number: true },
      ].filter((one) => one !== false),
      rows,
    }),
    {
      hint: "The interval below each value is valid at any number of looks. Verdicts on secondary metrics are corrected for multiple comparisons.",
    },
  );
}

function rowsOf(metric) {
  const [control, ...others] = metric.arms;
  return others.map((row) => ({ metric, control, row }));
}

function name({ metric }) {
  return [
    metric.title,
    metric.is_primary && h("span", {}, " ", chip("primary", "good")),
    h("div", { class: "small soft method" }, `${metric.better} is better · ${metric.method}`),
    metric.basis && h("div", { class: "small soft basis" }, metric.basis),
    metric.caveat && h("div", { class: "small caveat" }, metric.caveat),
  ].filter(Boolean);
}

function level({ unit }) {
  return unit === "share" ? percent : milliseconds;
}

function change({ unit }) {
  return unit === "share" ? (value) => points(value, 2) : (value) => `${signed(value)} ms`;
}

function measured(one, show) {
  if (!one) return "–";
  return [show(one.value), h("div", { class: "small soft" }, range(show(one.low), show(one.high)))];
}

function verdict({ verdict: said }) {
  if (!said) return "";
  const [word, tone] = VERDICTS[said] ?? [said, "calm"];
  return chip(word, tone);
}

function basis({ row }) {
  const wanted = row.images_needed;
  return [
    counted(row.images, "image"),
    row.labels !== null && h("div", { class: "small soft" }, counted(row.labels, "label")),
    wanted > 0 && h("div", { class: "small soft" }, `${count(wanted)} more needed`),
    wanted === 0 && h("div", { class: "small soft" }, "sufficient"),
  ].filter(Boolean);
}
