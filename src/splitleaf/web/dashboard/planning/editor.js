// Changing a plan that is kept already, as its JSON: whatever it holds, nothing of it is lost on the way.

import { problemText } from "../elements/errors.js";
import { textField } from "../elements/fields.js";
import { pageHead, panel } from "../elements/panel.js";
import { h } from "../js/dom.js";
import { call } from "../shell/api.js";
import { goTo } from "../shell/router.js";

export async function showEditor(main, key, signal) {
  const path = `experiments/${encodeURIComponent(key)}`;
  const page = `/admin/experiments/${encodeURIComponent(key)}`;
  const { experiment } = await call(path, { signal });
  const error = h("p", { class: "problem", role: "alert", hidden: true });
  const form = h(
    "form",
    { class: "form" },
    textField({
      name: "plan",
      label: "Plan as JSON",
      rows: 24,
      required: true,
      class: "code",
      value: JSON.stringify(experiment.plan, null, 2),
    }),
    textField({
      name: "reason",
      label: "Reason",
      rows: 2,
      required: true,
      maxlength: 500,
      hint: "Recorded in the audit log.",
    }),
    error,
    h(
      "div",
      { class: "buttons" },
      h("button", { class: "button primary", type: "submit" }, "Save plan"),
      h("a", { class: "button", href: page }, "Cancel"),
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    try {
      const plan = parsed(data.get("plan"));
      await call(path, { method: "PUT", body: { plan, reason: data.get("reason"), expected: experiment.sequence } });
      await goTo(page);
    } catch (problem) {
      error.hidden = false;
      error.textContent = problemText(problem);
    }
  });
  main.append(
    pageHead(`Edit ${key}`, {
      back: [page, key],
      lede: "You can change everything in a draft except its key.",
    }),
    panel("Plan", form),
  );
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`The plan is not valid JSON: ${/** @type {Error} */ (error).message}`);
  }
}
