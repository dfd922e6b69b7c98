// The verdict in plain language, before any number.

import { counted } from "../elements/format.js";
import { panel } from "../elements/panel.js";
import { h, icon } from "../js/dom.js";

const TONES = {
  better: ["check", "good"],
  not_worse: ["check", "good"],
  equivalent: ["check", "calm"],
  worse: ["cross", "bad"],
  harmful: ["cross", "bad"],
  invalid: ["alert", "bad"],
  undecided: ["question", "warn"],
  not_enough_data: ["question", "calm"],
};

export function verdictPanel({ statement, statements, arms }) {
  const others = statements.filter((one) => one.arm !== statement.arm);
  return h(
    "div",
    { class: "stack verdicts" },
    verdictOf(statement, arms),
    others.map((one) => verdictOf(one, arms)),
  );
}

function verdictOf(statement, arms) {
  const [mark, tone] = TONES[statement.verdict] ?? TONES.undecided;
  const arm = arms.find(({ name }) => name === statement.arm);
  const content = h(
    "div",
    { class: "verdict-body" },
    h("p", { class: "headline" }, icon(mark), h("span", {}, statement.headline)),
    h("p", {}, statement.certainty),
    arm &&
      h(
        "p",
        { class: "soft small" },
        `${arm.name}: ${counted(arm.images, "image")} from ${counted(arm.units, "unit")}.`,
      ),
    listOf("Caveats", statement.concerns, "concerns"),
    listOf("Still needed", statement.missing),
    listOf("Next steps", statement.next_steps),
  );
  return panel("Verdict", content, { className: `verdict verdict-${tone}` });
}

/** Return a sentence with what stands between backticks as code. */
function coded(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

function listOf(title, lines, className = "") {
  if (!lines.length) return null;
  return h(
    "div",
    { class: className },
    h("h3", {}, title),
    h(
      "ul",
      { class: "dots" },
      lines.map((line) => h("li", {}, ...coded(line))),
    ),
  );
}
