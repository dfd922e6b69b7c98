// How far the labelling is, and how far experts agree.

import { count, counted, number, percent } from "../elements/format.js";
import { panel } from "../elements/panel.js";
import { table } from "../elements/table.js";
import { h } from "../js/dom.js";

const REASONS = {
  disagreement: ["Versions disagree", "Needed for paired tests."],
  audit: ["Random audit", "Needed to estimate accuracy."],
  unsure: ["A version was unsure", "The most informative images."],
};

export function progressPanel({ reasons, audit_share: share }) {
  const rows = reasons.map((one) => ({ ...one, done: one.labelled + one.cannot_tell + one.gone }));
  return panel(
    "Progress",
    rows.length
      ? h(
          "div",
          { class: "stack" },
          rows.map(meterOf),
          h("p", { class: "small soft" }, `${percent(share, 0)} of the images are selected at random.`),
        )
      : h("p", { class: "nothing" }, "No images are selected for review yet."),
  );
}

function meterOf({ reason, items, labelled, cannot_tell: cannotTell, gone, done }) {
  const [name, why] = REASONS[reason] ?? [reason, ""];
  const word = `${count(labelled)} of ${count(items)} labelled`;
  const rest = [cannotTell && `${count(cannotTell)} could not be labelled`, gone && `${count(gone)} no longer stored`]
    .filter(Boolean)
    .join(", ");
  return h(
    "div",
    { class: "meter" },
    h("span", { class: "meter-name" }, name),
    h("span", { class: "meter-word small" }, word),
    h("progress", { value: items ? done / items : 0, max: 1, "aria-label": `${name}: ${word}` }),
    h("span", { class: "small soft meter-note" }, [why, rest].filter(Boolean).join(" ")),
  );
}

export function agreementPanel({ compared, pairs, contested }) {
  return panel(
    "Expert agreement",
    h(
      "div",
      { class: "stack" },
      h(
        "p",
        {},
        compared
          ? `Two or more experts labelled ${counted(compared, "image")}. They disagree on ${count(contested.length)}.`
          : "No image has labels from two experts yet.",
      ),
      pairs.length > 0 &&
        table({
          caption: "Agreement by pair",
          isDense: true,
          columns: [
            { name: "Experts", value: ({ first, second }) => `${first}, ${second}` },
            { name: "Images", value: ({ items }) => count(items), number: true },
            { name: "Agree", value: ({ raw }) => percent(raw, 0), number: true },
            { name: "Kappa", value: ({ kappa }) => number(kappa, 2), number: true },
          ],
          rows: pairs,
        }),
      pairs.length > 0 &&
        h("p", { class: "small soft" }, "Kappa is 1 for perfect agreement and 0 for agreement by chance."),
    ),
  );
}
