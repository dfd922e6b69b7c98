// Asking before something is changed: what will happen, and why it is done.

import { announce } from "../js/announcer.js";
import { freshId, h } from "../js/dom.js";
import { problemText } from "./errors.js";

/**
 * Ask in a dialog and do `action(values)`; resolves with its result, or null when it was called off. What `action`
 * throws is shown in the dialog, which stays open with all that was typed. `fields` are rows for the form, each with
 * controls whose names become entries of `values` beside `reason`.
 *
 * @param {{title: string, text: string | string[], confirm: string, fields?: Element[], isDangerous?: boolean,
 *   wantsReason?: boolean, done?: string, action: (values: Record<string, any>) => unknown}} question
 */
export function ask({ title, text, confirm, fields = [], isDangerous = false, wantsReason = true, done = "", action }) {
  return new Promise((resolve) => {
    const id = freshId("question");
    const error = h("p", { class: "problem", role: "alert", hidden: true });
    const submit = h("button", { class: `button ${isDangerous ? "danger" : "primary"}`, type: "submit" }, confirm);
    const cancel = h("button", { class: "button", type: "button" }, "Cancel");
    const form = h(
      "form",
      { class: "form" },
      h("h2", { id }, title),
      [text]
        .flat()
        .filter(Boolean)
        .map((line) => h("p", {}, line)),
      fields,
      wantsReason && reasonField(),
      error,
      h("div", { class: "buttons" }, submit, cancel),
    );
    const dialog = h("dialog", { class: "question", "aria-labelledby": id }, form);
    const finish = (result) => {
      dialog.close();
      dialog.remove();
      resolve(result);
    };
    cancel.addEventListener("click", () => finish(null));
    dialog.addEventListener("cancel", () => finish(null));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        const result = await action(Object.fromEntries(new FormData(form)));
        if (done) announce(done);
        finish(result ?? true);
      } catch (problem) {
        error.hidden = false;
        error.textContent = problemText(problem);
        submit.disabled = false;
      }
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

function reasonField() {
  const id = freshId("reason");
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, "Reason"),
    h("textarea", { id, name: "reason", rows: 2, required: true, maxlength: 500, "aria-describedby": `${id}-hint` }),
    h("p", { class: "hint", id: `${id}-hint` }, "Recorded in the audit log."),
  );
}
