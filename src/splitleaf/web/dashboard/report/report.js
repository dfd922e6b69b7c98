// The report on an experiment, part by part. Every part is drawn again only when it says something new.

import { count, points, range, signed } from "../elements/format.js";
import { panel } from "../elements/panel.js";
import { table } from "../elements/table.js";
import { h, icon } from "../js/dom.js";
import { arrivalPlot } from "../plots/arrivals.js";
import { driftPlot } from "../plots/drift.js";
import { latencySection } from "../plots/latency.js";
import { recallPlot } from "../plots/recalls.js";
import { reliabilityPlot } from "../plots/reliability.js";
import { timeSeriesPlots } from "../plots/time-series.js";
import { tradeoffPlot } from "../plots/tradeoff.js";
import { fill } from "../shell/polling.js";
import { agreementSection } from "./agreement.js";
import { metricsPanel } from "./metrics.js";
import { verdictPanel } from "./verdict.js";

export const REPORT_PLACES = [
  "verdict",
  "health",
  "metrics",
  "courses",
  "tradeoff",
  "agreement",
  "recalls",
  "arrivals",
  "latency",
  "drift",
  "segments",
];

const CHECKS = {
  split: "Split between arms",
  responses: "Feedback rates",
  fallbacks: "Fallbacks",
  cancellations: "Cancellations",
  units: "Number of units",
  crossovers: "Crossovers",
  missing: "Missing outcomes",
  aa: "A/A check within control",
  truth: "Expert agreement",
};
const MARKS = {
  ok: ["check", "good", "passed"],
  warning: ["alert", "warn", "warning"],
  failed: ["cross", "bad", "failed"],
  unknown: ["question", "calm", "unknown"],
};

/** Fill the places with what the report says. `imagesAreKept`: the gallery can show them. */
export function fillReport(places, report, imagesAreKept) {
  const { arms } = report;
  const index = (name) =>
    Math.max(
      0,
      arms.findIndex((arm) => arm.name === name),
    );
  fill(places.verdict, [report.statement, report.statements, arms], () => verdictPanel(report));
  fill(places.health, report.health, healthPanel);
  fill(places.metrics, [report.metrics, arms], () => metricsPanel(report.metrics, arms));
  fill(places.courses, report.courses, () => timeSeriesPanel(report, index));
  fill(places.tradeoff, [report.tradeoff, report.reliability], () => tradeoffPanel(report));
  fill(places.agreement, [report.agreements, imagesAreKept], () => agreementSection(report.agreements, imagesAreKept));
  fill(places.recalls, report.recalls, () => recallsPanel(report, index));
  fill(places.arrivals, [report.traffic, report.ramp], () => arrivalsPanel(report));
  fill(places.latency, report.latency, () => panel("Latency", latencySection(report.latency, arms)));
  fill(places.drift, report.drift, () => wrapped("Drift", driftPlot(report.drift)));
  fill(places.segments, report.segments, () => segmentsPanel(report.segments, report.metrics));
}

function healthPanel(health) {
  return panel(
    "Health",
    h(
      "ul",
      { class: "checks" },
      health.checks.map((check) => {
        const [mark, tone, word] = MARKS[check.status] ?? MARKS.unknown;
        return h(
          "li",
          { class: `check check-${tone}` },
          icon(mark),
          h(
            "div",
            {},
            h("strong", {}, CHECKS[check.name] ?? check.name, h("span", { class: "visually-hidden" }, `: ${word}`)),
            h("p", { class: "small" }, check.summary),
          ),
        );
      }),
    ),
    { className: health.is_sound ? "" : "unsound" },
  );
}

function timeSeriesPanel({ courses, metrics, experiment }, index) {
  const names = [...new Set(courses.map(({ metric }) => metric))];
  const parts = names.flatMap((name) => {
    const metric = metrics.find((one) => one.metric === name);
    return metric
      ? timeSeriesPlots(
          courses.filter((one) => one.metric === name),
          metric,
          experiment,
          index,
        )
      : [];
  });
  return parts.length ? panel("Over time", h("div", { class: "pair plots" }, parts)) : null;
}

function tradeoffPanel({ tradeoff, reliability, arms }) {
  const parts = [tradeoffPlot(tradeoff, arms), reliabilityPlot(reliability, arms)].filter(Boolean);
  return parts.length ? panel("Accuracy, latency and calibration", h("div", { class: "pair plots" }, parts)) : null;
}

function recallsPanel({ recalls, arms }, index) {
  const parts = arms.map(({ name }) => recallPlot(recalls, name, index(name))).filter(Boolean);
  return parts.length ? panel("Conditions", h("div", { class: "stack" }, parts)) : null;
}

function arrivalsPanel({ traffic, ramp, arms }) {
  return traffic.start_ms.length ? panel("Traffic and ramp", arrivalPlot(traffic, ramp, arms)) : null;
}

function segmentsPanel(segments, metrics) {
  if (!segments.length) return null;
  const unit = (name) => metrics.find((one) => one.metric === name)?.unit ?? "share";
  const show = (row, value) => (unit(row.metric) === "share" ? points(value, 2) : `${signed(value)} ms`);
  return panel(
    "Segments",
    table({
      caption: "Segments",
      columns: [
        { name: "Segment", value: ({ segment }) => segment },
        { name: "By", value: ({ dimension }) => dimension },
        { name: "Arm", value: ({ arm }) => arm },
        { name: "Metric", value: ({ metric }) => metrics.find((one) => one.metric === metric)?.title ?? metric },
        { name: "Images", value: ({ images }) => count(images), number: true },
        { name: "Difference", value: (row) => (row.difference ? show(row, row.difference.value) : "–"), number: true },
        {
          name: "Interval",
          value: (row) =>
            row.difference ? range(show(row, row.difference.low), show(row, row.difference.high)) : "not enough data",
          number: true,
        },
      ],
      rows: segments,
    }),
    {
      hint: "Exploratory: chosen afterwards and not corrected for multiple comparisons. A reason for the next experiment, not for a decision.",
    },
  );
}

function wrapped(title, content) {
  return content ? panel(title, content) : null;
}
