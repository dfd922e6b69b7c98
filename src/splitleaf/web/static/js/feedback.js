// "Is this correct?": one press, or two and the true name. May be changed at any time.

import { announce } from "./announcer.js";
import { labels, sendFeedback } from "./api.js";
import { button, freshId, h, icon } from "./dom.js";

const NOT_THIS = { label: "", display_name: "Something else, or I don't know" };

/** `record` has `id`, `result`, `feedback`; `onFeedback({correct, label, display_name})` is told what was saved. */
export function feedbackView(record, { onFeedback }) {
  const box = h("div", { class: "feedback" });
  new Feedback(box, record, onFeedback).showFirst();
  return box;
}

class Feedback {
  #box;
  #record;
  #onFeedback;

  constructor(box, record, onFeedback) {
    this.#box = box;
    this.#record = record;
    this.#onFeedback = onFeedback;
  }

  showFirst() {
    if (this.#record.feedback) this.#thank();
    else this.#ask();
  }

  #ask({ focus = false } = {}) {
    const { result } = this.#record;
    const questionId = freshId("question");
    const yes = button("Yes", { iconName: "check", onclick: () => this.#save({ correct: true }, result) });
    const no = button(result.is_sure ? "No" : "Choose the condition", {
      iconName: result.is_sure ? "cross" : null,
      onclick: () => this.#choose(),
    });
    this.#show(
      h(
        "div",
        { class: "ask" },
        h(
          "p",
          { class: "small-head", id: questionId },
          result.is_sure ? "Is this correct?" : "Do you know the condition?",
        ),
        h("div", { class: "buttons", role: "group", "aria-labelledby": questionId }, result.is_sure ? yes : null, no),
      ),
    );
    if (focus) (result.is_sure ? yes : no).focus();
  }

  async #choose() {
    let conditions;
    try {
      conditions = await labels();
    } catch {
      this.#trouble();
      return;
    }
    const { is_sure, label: answered } = this.#record.result;
    const denied = (label) => is_sure && label === answered; // "No" was pressed to it
    const group = freshId("condition");
    const chosen = this.#record.feedback?.label ?? (this.#record.feedback ? NOT_THIS.label : null);
    const form = h(
      "form",
      { class: "conditions", onsubmit: (event) => this.#submit(event, conditions) },
      h(
        "fieldset",
        {},
        h("legend", { class: "small-head" }, "Which condition is it?"),
        h(
          "div",
          { class: "condition-list" },
          conditions.filter(({ label }) => !denied(label)).map((condition) => choice(condition, group, chosen)),
          is_sure ? choice(NOT_THIS, group, chosen, "choice choice-wide") : null,
        ),
      ),
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "submit", class: "button primary" }, "Save"),
        button("Cancel", { className: "quiet", onclick: () => this.#back() }),
      ),
    );
    this.#show(form);
    const first = form.querySelector("input:checked") ?? form.querySelector("input");
    /** @type {HTMLInputElement | null} */ (first)?.focus();
  }

  #submit(event, conditions) {
    event.preventDefault();
    const label = new FormData(event.target).get("condition");
    const condition = conditions.find((each) => each.label === label);
    if (condition) this.#save({ label }, condition);
    else this.#save({ correct: false }, { label: null, display_name: null });
  }

  async #save(answer, { label, display_name: name }) {
    const correct = label === this.#record.result.label;
    try {
      await sendFeedback(this.#record.id, answer);
    } catch (problem) {
      this.#trouble(problem);
      return;
    }
    this.#record.feedback = { correct, label, display_name: name };
    this.#onFeedback(this.#record.feedback);
    this.#thank({ focus: true });
    announce("Thank you. Your feedback is saved.");
  }

  #thank({ focus = false } = {}) {
    const { correct, display_name: name } = this.#record.feedback;
    const change = button("Change", { className: "quiet", onclick: () => this.#ask({ focus: true }) });
    const other = name ?? "something else";
    const words = `Thank you. Your feedback: ${correct ? "correct" : other}.`;
    this.#show(h("p", { class: "thanks" }, icon("check"), h("span", {}, words), change));
    if (focus) change.focus();
  }

  #trouble(problem) {
    const isGone = problem?.status === 404 || problem?.status === 409;
    const words = isGone ? "This result is too old for feedback." : "Your feedback could not be saved. Try again.";
    const retry = button("Try again", { onclick: () => this.#back() });
    this.#show(h("p", { class: "thanks" }, icon("alert"), h("span", {}, words), isGone ? null : retry));
    announce(words);
    if (!isGone) retry.focus();
  }

  #back() {
    if (this.#record.feedback) this.#thank({ focus: true });
    else this.#ask({ focus: true });
  }

  #show(...content) {
    this.#box.replaceChildren(...content);
  }
}

function choice({ label, display_name: name }, group, chosen, className = "choice") {
  const id = freshId(group);
  return h(
    "div",
    { class: className },
    h("input", { type: "radio", name: "condition", id, value: label, required: true, checked: label === chosen }),
    h("label", { for: id }, name),
  );
}
