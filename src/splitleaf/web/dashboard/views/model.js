// One version: what it is, and what its import found.

import { bytes, chip, count, milliseconds, moment, percent } from "../elements/format.js";
import { facts, pageHead, panel } from "../elements/panel.js";
import { table } from "../elements/table.js";
import { h, icon } from "../js/dom.js";
import { Problem } from "../js/problems.js";
import { windowPlot } from "../plots/windows.js";
import { readinessOf } from "../service/status.js";
import { call } from "../shell/api.js";

const FORMATS = {
  "h5-keras2": "Keras 2 (HDF5)",
  "h5-keras3": "Keras 3 (HDF5)",
  keras: "Keras (.keras)",
  savedmodel: "SavedModel",
  onnx: "ONNX",
};

const WITHOUT = "This version was imported without --reference, so there are no reference images to compare with.";

export async function show(main, { signal, parameters: [version] }) {
  const { model, manifest, report } = await call(`models/${encodeURIComponent(version)}`, { signal });
  const hasReference = Boolean(manifest?.insight?.reference_images);
  const drift = hasReference ? await askDrift(version, signal) : null;
  const { tone, word, reason } = readinessOf(model);
  main.append(
    pageHead([version, chip(word, tone)], { lede: reason || model.title, back: ["/admin/models", "Models"] }),
    panel("Details", manifest ? manifestFacts(model, manifest) : h("p", { class: "nothing" }, notImported(model))),
    manifest ? labelPanel(manifest) : "",
    report ? reportPanel(report) : "",
    manifest ? driftPanel(drift) : "",
    workerPanel(model),
  );
}

/** Return the report, or the problem that keeps it away: the rest of the page is to be seen all the same. */
async function askDrift(version, signal) {
  try {
    return await call(`models/${encodeURIComponent(version)}/drift`, { signal });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { problem: error };
  }
}

function driftPanel(drift) {
  return panel("Drift from the reference images", drift ? driftOf(drift) : h("p", { class: "nothing" }, WITHOUT));
}

function driftOf(drift) {
  if (drift.problem) return h("p", { class: "nothing" }, drift.problem.message);
  const waiting = `${count(drift.images)} of ${count(drift.window)} images for the first window have arrived.`;
  return windowPlot(drift) ?? h("p", { class: "nothing" }, waiting);
}

function notImported({ state, version }) {
  return state === "bare"
    ? `Only the source file exists. To import it, run: splitleaf models import --version ${version}`
    : "This version cannot be read. The reason is above.";
}

function manifestFacts(model, manifest) {
  const { evaluation, preprocessing, source, artifact } = manifest;
  return facts([
    evaluation && [
      "Accuracy",
      `${percent(evaluation.accuracy)} (${percent(evaluation.accuracy_low)} to ${percent(evaluation.accuracy_high)}) on ${count(evaluation.images)} images of ${evaluation.dataset}`,
    ],
    evaluation && ["Inference of one image", `${milliseconds(evaluation.latency_ms)} on one thread`],
    ["Size", bytes(model.size_bytes)],
    ["Imported", manifest.imported_at ? moment(manifest.imported_at) : "–"],
    ["Source", `${source.file}, ${FORMATS[source.format] ?? source.format} ${source.keras_version}`.trim()],
    [
      "Input",
      `${preprocessing.width} × ${preprocessing.height}, ${preprocessing.color}, ${preprocessing.resize}, ${preprocessing.fit}`,
    ],
    ["Calibration", `temperature ${manifest.calibration.temperature}`],
    ["Not sure below a confidence of", percent(manifest.decision.min_confidence, 0)],
    manifest.licence && ["Licence", manifest.licence],
    ["Digest of the artifact", h("code", {}, artifact.sha256)],
    ["Digest of the source", h("code", {}, source.sha256)],
  ]);
}

function labelPanel(manifest) {
  const rows = manifest.labels.map((label, index) => ({ label, index, name: manifest.display_names[label] ?? label }));
  return panel(
    "Conditions",
    table({
      caption: "Labels in the order of the outputs",
      isDense: true,
      columns: [
        { name: "Output", value: ({ index }) => String(index) },
        { name: "Condition", value: ({ name }) => name },
        { name: "Label", value: ({ label }) => h("code", {}, label) },
      ],
      rows,
    }),
  );
}

function reportPanel(report) {
  const { preprocessings = [], warnings = [] } = report;
  return panel(
    "Import report",
    h(
      "div",
      { class: "stack" },
      warnings.map((warning) => h("div", { class: "notice warn" }, icon("alert"), h("p", {}, warning))),
      facts(importFacts(report)),
      preprocessings.length > 0 && triedTable(preprocessings),
    ),
  );
}

function importFacts(report) {
  const { parity, layers = {}, tools = {} } = report;
  const listed = (entries) => entries.join(", ") || "–";
  return [
    ...(parity ? parityFacts(parity) : []),
    ["Preprocessing", report.preprocessing_origin ?? "–"],
    ["Labels", report.labels_origin ?? "–"],
    report.seconds !== undefined && ["Duration", `${report.seconds} s`],
    ["Layers", listed(Object.entries(layers).map(([name, number]) => `${number} ${name}`))],
    ["Tools", listed(Object.entries(tools).map(([name, version]) => `${name} ${version}`))],
  ];
}

function parityFacts({
  random_pictures: random = 0,
  real_pictures: real = 0,
  same_top_1: same,
  largest_difference: largest,
}) {
  return [
    ["Same answer as the original", `${count(same)} of ${count(random + real)} images`],
    ["Largest difference in probability", Number(largest).toExponential(1)],
  ];
}

function triedTable(rows) {
  return h(
    "details",
    { class: "more" },
    h("summary", {}, icon("chevron"), `${rows.length} tested preprocessings`),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Tested preprocessings" },
      table({
        caption: "Tested preprocessings",
        isDense: true,
        columns: [
          { name: "Resize", value: (row) => row.preprocessing?.resize ?? "–" },
          { name: "Values", value: (row) => row.values ?? "–" },
          { name: "Colour", value: (row) => row.preprocessing?.color ?? "–" },
          { name: "Accuracy", value: (row) => percent(row.accuracy), number: true },
          {
            name: "",
            says: "Remark",
            value: (row) => (row.chosen ? chip("chosen", "good") : row.declared ? chip("declared") : ""),
          },
        ],
        rows,
      }),
    ),
  );
}

function workerPanel(model) {
  return panel(
    "Workers",
    table({
      caption: "Workers with this version",
      empty: "No worker has loaded this version.",
      columns: [
        { name: "Worker", value: ([worker]) => h("code", {}, worker) },
        { name: "State", value: ([, status]) => status },
      ],
      rows: Object.entries(model.workers),
    }),
  );
}
