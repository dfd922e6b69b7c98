// What was asked earlier in this browser.

import { announce } from "./announcer.js";
import { answerView, chipsOf, inWords, titleOf, toneOf } from "./answer.js";
import { button, byId, h, icon } from "./dom.js";
import { amend, forget, forgetAll, onElsewhere, recall } from "./history-store.js";

export class History {
  #isOnCard;
  #onOtherPhoto;

  /** `isOnCard(id)` tells which answers the page shows as cards already. */
  constructor({ isOnCard, onOtherPhoto }) {
    this.#isOnCard = isOnCard;
    this.#onOtherPhoto = onOtherPhoto;
    byId("history-clear").addEventListener("click", () => byId("clear-question").showModal());
    byId("clear-question").addEventListener("close", (event) => this.#settle(event.target));
    onElsewhere(() => this.refresh());
  }

  refresh() {
    const records = recall().filter((record) => !this.#isOnCard(record.id));
    byId("history").hidden = records.length === 0;
    byId("memories").replaceChildren(...records.map((record) => this.#row(record)));
  }

  #settle(dialog) {
    if (dialog.returnValue !== "clear") return;
    dialog.returnValue = "";
    forgetAll();
    this.refresh();
    announce("History cleared.");
    byId("intake").focus();
  }

  #row(record) {
    const details = h("details", { class: "memory", ontoggle: () => this.#open(details, record) }, summaryOf(record));
    return h("li", {}, details);
  }

  #open(details, record) {
    if (!details.open || details.childElementCount > 1) return;
    details.append(
      h(
        "div",
        { class: "memory-body" },
        chipsOf(record.result),
        answerView(record, {
          isOpen: true,
          onFeedback: (feedback) => amend(record.id, { feedback }),
          onOtherPhoto: this.#onOtherPhoto,
        }),
        button("Remove from history", { className: "quiet", onclick: () => this.#forget(details, record) }),
      ),
    );
  }

  #forget(details, record) {
    const row = details.parentElement;
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    forget(record.id);
    row.remove();
    byId("history").hidden = !neighbour;
    (neighbour?.querySelector("summary") ?? byId("intake")).focus();
    announce("Removed from history.");
  }
}

function summaryOf({ keepsake, result, at }) {
  const image = keepsake
    ? h("img", { src: keepsake, alt: "", width: "56", height: "56" })
    : h("span", { class: "no-image" }, icon("leaf"));
  return h(
    "summary",
    {},
    image,
    h(
      "span",
      { class: "memory-words" },
      h("span", { class: `memory-title tone-${toneOf(result)}` }, titleOf(result)),
      h("span", { class: "memory-when" }, result.is_sure ? `${inWords(result)} · ` : "", whenOf(at)),
    ),
    icon("chevron"),
  );
}

function whenOf(at) {
  const date = new Date(at);
  const words = date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return h("time", { datetime: at }, words);
}
