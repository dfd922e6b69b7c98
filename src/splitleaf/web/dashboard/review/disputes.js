// Labels that contradict each other, for somebody who decides.

import { problemText } from "../elements/errors.js";
import { count, counted } from "../elements/format.js";
import { panel } from "../elements/panel.js";
import { announce } from "../js/announcer.js";
import { button, h } from "../js/dom.js";
import { call } from "../shell/api.js";
import { mayWrite } from "../shell/session.js";

const AT_ONCE = 12;

/** Return the disputes, or null while there are none; `onSettled` follows on each decision. */
export function disputesPanel({ disputes, count: all }, { expert, onSettled }) {
  if (!all) return null;
  const rest = all - Math.min(all, AT_ONCE);
  return panel(
    "Conflicting labels",
    h(
      "div",
      { class: "stack" },
      h("p", {}, `${counted(all, "image")} without a decision. Your decision overrides all other labels.`),
      h(
        "ul",
        { class: "disputes" },
        disputes.slice(0, AT_ONCE).map((one) => disputeOf(one, expert, onSettled)),
      ),
      rest > 0 && h("p", { class: "small soft" }, `${count(rest)} more are not shown.`),
    ),
  );
}

function disputeOf({ id, image: address, words: said }, expert, onSettled) {
  const error = h("p", { class: "problem", role: "alert", hidden: true });
  const labels = [...new Set(said.map(({ label }) => label))];
  const settle = async (label) => {
    try {
      const body = { label, ...(expert && { expert }) };
      await call(`review/items/${id}/settle`, { method: "POST", body });
      announce("Decision saved.");
      await onSettled();
    } catch (problem) {
      error.hidden = false;
      error.textContent = problemText(problem);
    }
  };
  const image = h("img", {
    src: address,
    alt: "Image with conflicting labels",
    loading: "lazy",
    width: 144,
    height: 144,
  });
  image.addEventListener("error", () => image.replaceWith(h("p", { class: "small soft" }, "No longer stored")));
  return h(
    "li",
    {},
    image,
    h(
      "div",
      { class: "stack" },
      h("p", {}, said.map(({ author, label }) => `${author}: ${plain(label)}`).join("; ")),
      mayWrite() &&
        h(
          "div",
          { class: "buttons" },
          labels.map((label) => button(plain(label), { className: "button", onclick: () => settle(label) })),
        ),
      error,
    ),
  );
}

function plain(label) {
  return label.replaceAll("_", " ");
}
