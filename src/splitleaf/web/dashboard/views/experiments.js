// All experiments: those that are open, those that wait, those that are over.

import { stateChip, when } from "../elements/format.js";
import { pageHead, panel } from "../elements/panel.js";
import { table } from "../elements/table.js";
import { h, icon } from "../js/dom.js";
import { call } from "../shell/api.js";
import { fill, keepFresh, troubleIn } from "../shell/polling.js";
import { mayWrite } from "../shell/session.js";

const EVERY_MS = 5_000;
const MODES = { ab: "live A/B", aa: "A/A", shadow: "shadow" };
/** @type {[title: string, states: string[], empty: string][]} */
const GROUPS = [
  ["Open", ["running", "paused"], "None is running."],
  ["To be decided", ["stopped"], ""],
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
      lede: "Which version is better, found out soundly and without the public noticing.",
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
  await keepFresh(refresh, { everyMs: EVERY_MS, signal, onTrouble: troubleIn(trouble) });
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
      { name: "Compares", value: ({ plan }) => [compared(plan), h("div", { class: "small soft" }, MODES[plan.mode])] },
      { name: "Next", value: ({ key }) => summaries[key] ?? "–" },
      { name: "Changed", value: ({ changed_at: at }) => when(at), number: true },
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
        "An experiment says what is to be found out before anybody looks at results. It runs on the images that come in anyway; nobody outside notices.",
      ),
      h(
        "p",
        {},
        "The cheapest first step is a shadow: the new version scores the same images unseen, and experts label those on which the two disagree.",
      ),
      mayWrite() &&
        h("p", {}, h("a", { class: "button primary", href: "/admin/new-experiment" }, "Plan the first one")),
    ),
  );
}
