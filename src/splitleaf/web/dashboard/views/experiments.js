// All experiments: those that are open, those that wait, those that are over.

import { stateChip, when } from "../elements/format.js";
import { pageHead, panel } from "../elements/panel.js";
import { table } from "../elements/table.js";
import { h, icon } from "../js/dom.js";
import { call } from "../shell/api.js";
import { fill, poll, problemIn } from "../shell/polling.js";
import { mayWrite } from "../shell/session.js";

const EVERY_MS = 5_000;
const MODES = { ab: "live A/B", aa: "A/A", shadow: "shadow" };
/** @type {[title: string, states: string[], empty: string][]} */
const GROUPS = [
  ["Open", ["running", "paused"], "No experiment is running."],
  ["Awaiting a decision", ["stopped"], ""],
  ["Drafts", ["draft"], ""],
  ["Decided", ["promoted", "rejected", "rolled_back"], ""],
];

export async function show(main, { signal }) {
  const trouble = h("div");
  const groups = h("div");
  const create = mayWrite()
    ? [h("a", { class: "button primary", href: "/admin/new-experiment" }, icon("plus"), "New experiment")]
    : [];
  main.append(
    pageHead("Experiments", {
      lede: "Controlled comparisons of versions on the images that users send.",
      tools: create,
    }),
    trouble,
    groups,
  );
  const refresh = async () => {
    const [{ experiments }, control] = await Promise.all([
      call("experiments", { signal }),
      call("control", { signal }),
    ]);
    const summaries = Object.fromEntries(
      control.experiments.filter((one) => one.stage.stages > 0).map((one) => [one.experiment, one.summary]),
    );
    fill(groups, [experiments, summaries], () => (experiments.length ? groupsOf(experiments, summaries) : welcome()));
  };
  await poll(refresh, { everyMs: EVERY_MS, signal, onProblem: problemIn(trouble) });
}

function groupsOf(experiments, summaries) {
  return GROUPS.map(([title, states, empty]) => {
    const rows = experiments.filter((one) => states.includes(one.state)).reverse();
    if (!rows.length && !empty) return null;
    return panel(title, listOf(title, rows, empty, summaries));
  }).filter(Boolean);
}

function listOf(title, rows, empty, summaries) {
  return table({
    caption: `Experiments: ${title}`,
    empty,
    columns: [
      {
        name: "Experiment",
        value: ({ key, plan }) => [
          h("a", { href: `/admin/experiments/${encodeURIComponent(key)}` }, key),
          h("div", { class: "small soft hypothesis" }, plan.hypothesis),
        ],
      },
      {
        name: "State",
        value: ({ state, promoted }) =>
          [stateChip(state), promoted && h("div", { class: "small soft" }, promoted)].filter(Boolean),
      },
      { name: "Versions", value: ({ plan }) => [compared(plan), h("div", { class: "small soft" }, MODES[plan.mode])] },
      { name: "Next", value: ({ key }) => summaries[key] ?? "–" },
      { name: "Last change", value: ({ changed_at: at }) => when(at), number: true },
    ].filter(({ name }) => name !== "Next" || rows.some(({ key }) => summaries[key])),
    rows,
  });
}

function compared(plan) {
  const versions = [...Object.values(plan.variants), ...(plan.shadows ?? [])].map(({ version }) => version);
  return [...new Set(versions)].join(" · ");
}

function welcome() {
  return panel(
    "No experiment yet",
    h(
      "div",
      { class: "stack" },
      h(
        "p",
        {},
        "An experiment fixes its question and its metrics before anyone sees results. It runs on the images that users send.",
      ),
      h(
        "p",
        {},
        "Start with a shadow experiment: the new version classifies the same images, its answers are not returned, and experts label the images on which the versions disagree.",
      ),
      mayWrite() &&
        h("p", {}, h("a", { class: "button primary", href: "/admin/new-experiment" }, "Plan an experiment")),
    ),
  );
}
