// One experiment: the verdict first, then why it may be believed, then everything that it rests on.

import { problemNote } from "../elements/errors.js";
import { stateChip, when } from "../elements/format.js";
import { pageHead, panel } from "../elements/panel.js";
import { actionButtons } from "../experiment/actions.js";
import { guardrailPanel } from "../experiment/guardrails.js";
import { historyPanel } from "../experiment/history.js";
import { planFacts } from "../experiment/plan.js";
import { h, icon } from "../js/dom.js";
import { fillReport, REPORT_PLACES } from "../report/report.js";
import { loadMetrics } from "../service/metrics.js";
import { addressOf, call } from "../shell/api.js";
import { fill, poll, problemIn } from "../shell/polling.js";
import { mayWrite } from "../shell/session.js";

const STATE_EVERY_MS = 4_000;
const REPORT_EVERY_MS = 20_000;

export async function show(main, { signal, parameters: [key] }) {
  const path = `experiments/${encodeURIComponent(key)}`;
  const names = ["head", "trouble", "steps", "control", "reportTrouble", "plan", "story", ...REPORT_PLACES];
  const places = Object.fromEntries(names.map((name) => [name, h("div")]));
  main.append(
    places.head,
    places.trouble,
    places.steps,
    places.reportTrouble,
    places.verdict,
    places.control,
    ...REPORT_PLACES.filter((name) => name !== "verdict").map((name) => places[name]),
    places.plan,
    places.story,
  );
  const refresh = async () => {
    const [detail, control] = await Promise.all([
      call(path, { signal }),
      call(`${path}/control`, { signal }),
      loadMetrics(signal),
    ]);
    fillState(places, detail, control, refresh);
    return detail.experiment;
  };
  /** @type {any} */
  let experiment;
  await poll(
    async () => {
      experiment = await refresh();
    },
    { everyMs: STATE_EVERY_MS, signal, onProblem: problemIn(places.trouble) },
  );
  if (experiment.state === "draft") return;
  const { images_are_kept: imagesAreKept } = await call("review/progress", {
    query: { experiment: key },
    signal,
  }).catch(() => ({}));
  const read = async () => fillReport(places, await call(`${path}/report`, { signal }), imagesAreKept);
  await poll(read, { everyMs: REPORT_EVERY_MS, signal, onProblem: problemIn(places.reportTrouble) }).catch(
    (problem) => {
      places.reportTrouble.replaceChildren(problemNote(problem));
    },
  );
}

function fillState(places, detail, control, refresh) {
  // The shares in force beside the planned ones.
  const experiment = { ...detail.experiment, shares: detail.revisions[0]?.shares ?? {} };
  fill(places.head, [experiment.state, experiment.plan.hypothesis, experiment.changed_at], () => head(experiment));
  fill(places.steps, [experiment, mayWrite()], () => actionsOf(experiment, refresh));
  fill(places.control, control, () => guardrailPanel(control));
  fill(places.plan, experiment.plan, (plan) => panel("Plan", planFacts(plan)));
  fill(places.story, detail.audit, (audit) => historyPanel(audit, experiment.key));
}

function head({ key, state, plan, started_at: started }) {
  const download = h(
    "a",
    { class: "button", href: addressOf(`experiments/${encodeURIComponent(key)}/report`), download: `${key}.json` },
    icon("download"),
    "Report as JSON",
  );
  return pageHead([key, stateChip(state)], {
    back: ["/admin/experiments", "Experiments"],
    lede: [plan.hypothesis, started ? h("span", { class: "soft small" }, " · started ", when(started)) : ""],
    tools: state === "draft" ? [] : [download],
  });
}

function actionsOf(experiment, refresh) {
  if (!mayWrite()) return null;
  const buttons = actionButtons(experiment, refresh);
  return buttons.length ? h("div", { class: "buttons steps" }, buttons) : null;
}
