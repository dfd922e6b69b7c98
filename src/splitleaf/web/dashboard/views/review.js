// Experts say what images show: one image at a time, one key each, blind to which version said what.

import { selectField, textField } from "../elements/fields.js";
import { pageHead, panel } from "../elements/panel.js";
import { h, icon } from "../js/dom.js";
import { disputesPanel } from "../review/disputes.js";
import { LabellingPanel } from "../review/labelling.js";
import { agreementPanel, progressPanel } from "../review/progress.js";
import { call } from "../shell/api.js";
import { mayWrite } from "../shell/session.js";

const EXPERT = "splitleaf.expert";
const OF_NONE = "";

export async function show(main, { signal }) {
  const { experiments } = await call("experiments", { signal });
  const settings = settingsForm(experiments);
  const desk = h("div");
  const disputes = h("div");
  const numbers = h("div", { class: "pair" });
  const isWide = matchMedia("(min-width: 44rem)").matches;
  main.append(
    pageHead("Review", {
      lede: "Label what each image shows. The answers of the versions stay hidden, so that they don't influence you.",
    }),
    h(
      "details",
      { class: "more settings", open: isWide },
      h("summary", {}, icon("chevron"), "Settings"),
      settings.element,
    ),
    desk,
    disputes,
    numbers,
  );
  let ofChoice = new AbortController();
  const begin = () => {
    ofChoice.abort();
    ofChoice = new AbortController();
    return open(settings.read(), { desk, disputes, numbers }, AbortSignal.any([signal, ofChoice.signal]));
  };
  settings.element.addEventListener("change", begin);
  await begin();
}

async function open(choice, places, signal) {
  const count = async () => {
    const query = { experiment: choice.experiment };
    const [progress, agreement, disputes] = await Promise.all([
      call("review/progress", { query, signal }),
      call("review/agreement", { query, signal }),
      call("review/disputes", { query, signal }),
    ]);
    const inDispute = disputesPanel(disputes, { expert: choice.expert, onSettled: count });
    places.disputes.replaceChildren(...[inDispute].filter(Boolean));
    places.numbers.replaceChildren(progressPanel(progress), agreementPanel(agreement));
    return progress;
  };
  const progress = await count();
  if (!mayWrite()) {
    places.desk.replaceChildren(
      panel("Images", h("p", {}, "This key has read-only access. To label images, log in with a key that can write.")),
    );
    return;
  }
  if (!progress.images_are_kept) {
    places.desk.replaceChildren(panel("Images", retentionHint()));
    return;
  }
  const desk = new LabellingPanel(choice, { signal, onSaid: count });
  places.desk.replaceChildren(desk.element);
  await desk.open();
}

function retentionHint() {
  return h(
    "p",
    {},
    "Images are not stored, so there is nothing to label. To store them for a limited time and without metadata, set ",
    h("code", {}, "SPLITLEAF_RETENTION__ENABLED"),
    ". You can also import labels from a CSV file.",
  );
}

function settingsForm(experiments) {
  const wanted = new URLSearchParams(location.search).get("experiment");
  const keys = experiments
    .filter(({ state }) => state !== "draft")
    .map(({ key }) => key)
    .reverse();
  const names = { [OF_NONE]: "Images outside experiments" };
  const experiment = selectField({
    name: "experiment",
    label: "Experiment",
    options: [...keys, OF_NONE],
    names,
    value: wanted ?? keys[0] ?? OF_NONE,
  });
  const expert = textField({
    name: "expert",
    label: "Your name",
    value: recall(),
    pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,63}",
    maxlength: 64,
    hint: "If empty, the key's own name is used.",
  });
  const opinions = selectField({
    name: "opinions",
    label: "Experts for each image",
    options: ["1", "2"],
    names: { 1: "one", 2: "two, to measure agreement" },
    value: "1",
  });
  const element = h("form", { class: "filters" }, experiment, expert, opinions);
  element.addEventListener("submit", (event) => event.preventDefault());
  return {
    element,
    read() {
      const data = new FormData(element);
      const isValid = element.querySelector("[name=expert]:invalid") === null;
      const name = isValid ? String(data.get("expert")).trim() : "";
      keep(name);
      return { experiment: data.get("experiment"), expert: name || null, opinions: Number(data.get("opinions")) };
    },
  };
}

function recall() {
  try {
    return localStorage.getItem(EXPERT) ?? "";
  } catch {
    return ""; // storage is switched off
  }
}

function keep(name) {
  try {
    localStorage.setItem(EXPERT, name);
  } catch {
    // The name then lasts as long as the page.
  }
}
