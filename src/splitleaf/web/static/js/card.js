// The card of one photo: its image, where it stands, its answer.

import { announce } from "./announcer.js";
import { answerView, chipsOf, spoken, titleOf, toneOf } from "./answer.js";
import { button, freshId, h, icon } from "./dom.js";
import { explanationView } from "./explanation.js";
import { explain, reasonToWait } from "./problems.js";

const STAGES = [
  ["uploading", "Sending"],
  ["queued", "In line"],
  ["running", "Looking"],
];
const TITLES = {
  preparing: "Opening the photo",
  waiting: "Waiting for its turn",
  uploading: "Sending the photo",
  queued: "In line",
  running: "Looking at the leaf",
};

export class Card {
  journey;
  number;
  element;
  /** @type {any} what `onAnswer` returned: `{id, at, keepsake, result, feedback}` */
  record = null;

  #hooks;
  #title;
  #image;
  #body;
  #shown = "";
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;

  /** Hooks: `onAnswer(card)` returns the record, `isAlone()`, `onFeedback(card)`, `onRemove(card)`, `onOtherPhoto()`. */
  constructor(journey, number, hooks) {
    this.journey = journey;
    this.number = number;
    this.#hooks = hooks;
    const titleId = freshId("card-title");
    const nameId = freshId("card-name");
    this.#title = h("h3", { class: "card-title", id: titleId, tabindex: "-1" });
    this.#image = h("div", { class: "card-image" }, icon("leaf", "placeholder"));
    this.#body = h("div", { class: "card-state" });
    this.element = h(
      "li",
      { class: "card" },
      h(
        "article",
        { "aria-labelledby": `${nameId} ${titleId}` },
        this.#image,
        h(
          "div",
          { class: "card-head" },
          h(
            "p",
            { class: "card-name", id: nameId },
            `Photo ${number}`,
            h("span", { class: "file-name" }, journey.fileName),
          ),
          this.#title,
        ),
        this.#body,
      ),
    );
    journey.addEventListener("change", () => this.#update());
    this.#update();
  }

  focus() {
    this.#title.focus({ preventScroll: true });
  }

  #update() {
    const { phase } = this.journey;
    this.#showImage();
    if (phase !== this.#shown || phase === "resting") {
      const focused = /** @type {HTMLElement | null} */ (this.#body.querySelector(":focus"));
      clearInterval(this.#clock);
      this.#shown = phase;
      this.element.dataset.phase = phase;
      delete this.element.dataset.tone;
      this.#render(phase);
      if (focused) this.#returnFocus(focused.dataset.role);
    }
    if (phase === "uploading") this.#showUpload(this.journey.progress);
  }

  #returnFocus(role) {
    // Stop stays under the finger from stage to stage; anything else would be pressed by mistake.
    const same = role === "cancel" ? this.#body.querySelector("[data-role=cancel]") : null;
    if (same) same.focus();
    else this.focus();
  }

  #render(phase) {
    if (phase === "answered") this.#renderAnswer();
    else if (phase === "failed") this.#renderProblem();
    else if (phase === "canceled") this.#renderCanceled();
    else if (phase === "resting") this.#renderRest();
    else this.#renderWork(phase);
  }

  #renderWork(phase) {
    this.#title.textContent = TITLES[phase];
    const at = STAGES.findIndex(([name]) => name === phase);
    this.#body.replaceChildren(this.#track(phase, at), this.#actions(this.#cancelButton()));
    if (phase === "queued" || phase === "running") this.#say(`${TITLES[phase]}.`);
  }

  #track(phase, at) {
    const meaning = { role: "progressbar", "aria-label": `Photo ${this.number}`, "aria-valuetext": TITLES[phase] };
    return h(
      "div",
      { class: "track", ...meaning },
      STAGES.map(([name, words], place) => stage(name, words, place, at)),
    );
  }

  #showUpload(progress) {
    const track = this.#body.querySelector(".track");
    const percent = Math.floor(progress * 100);
    track.style.setProperty("--sent", `${percent}%`);
    track.setAttribute("aria-valuetext", `Sending, ${percent} percent`);
    this.#title.textContent = progress < 1 ? `Sending the photo, ${percent} %` : "Sent";
  }

  #renderRest() {
    const { problem, restUntil } = this.journey;
    const reason = reasonToWait(problem);
    this.#title.textContent = reason;
    const count = h("p", { class: "countdown" });
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((restUntil - Date.now()) / 1000));
      count.textContent = `Your photo is safe here. Next try in ${seconds} s.`;
    };
    tick();
    this.#clock = setInterval(tick, 500);
    this.#body.replaceChildren(
      count,
      this.#actions(
        button("Try now", { iconName: "retry", onclick: () => this.journey.hurry() }),
        this.#cancelButton(),
      ),
    );
    this.#say(`${reason}. It is tried again by itself.`);
  }

  #renderAnswer() {
    const { result } = this.journey.prediction;
    this.record = this.#hooks.onAnswer(this);
    this.element.dataset.tone = toneOf(result);
    this.#title.textContent = titleOf(result);
    this.#body.replaceChildren(
      chipsOf(result),
      this.#canExplain(result) ? explanationView(this.record, this.#image) : "",
      answerView(this.record, {
        isOpen: this.#hooks.isAlone(),
        onFeedback: () => this.#hooks.onFeedback(this),
        onOtherPhoto: this.#hooks.onOtherPhoto,
      }),
      this.#removeButton(),
    );
    this.#say(spoken(result));
  }

  #canExplain(result) {
    // Without a preview (HEIC mostly) there is nothing to draw on, and what is doubtful has no reasons to show.
    return result.is_sure && this.#image.querySelector("img") !== null;
  }

  #renderProblem() {
    const { title, advice, wantsOtherPhoto } = explain(this.journey.problem);
    const again = button("Try again", {
      iconName: "retry",
      className: "button primary",
      onclick: () => this.journey.start(),
    });
    const other = button("Choose another photo", {
      iconName: "photos",
      className: "button primary",
      onclick: this.#hooks.onOtherPhoto,
    });
    this.element.dataset.tone = "problem";
    this.#title.textContent = title;
    this.#body.replaceChildren(
      h("p", { class: "trouble" }, icon("alert"), h("span", {}, advice)),
      this.#actions(wantsOtherPhoto ? other : again),
      this.#removeButton(),
    );
    this.#say(`${title}. ${advice}`);
  }

  #renderCanceled() {
    this.#title.textContent = "Stopped";
    this.#body.replaceChildren(
      h("p", {}, "This photo is not being looked at."),
      this.#actions(button("Start again", { iconName: "retry", onclick: () => this.journey.start() })),
      this.#removeButton(),
    );
    this.#say("Stopped.");
  }

  #cancelButton() {
    return button("Stop", {
      className: "quiet",
      "data-role": "cancel",
      "aria-label": `Stop photo ${this.number}`,
      onclick: () => this.journey.cancel(),
    });
  }

  #removeButton() {
    return button("", {
      className: "quiet icon-button put-away",
      iconName: "cross",
      title: "Put away",
      "aria-label": `Put photo ${this.number} away`,
      onclick: () => this.#hooks.onRemove(this),
    });
  }

  #actions(...buttons) {
    return h("div", { class: "buttons card-actions" }, buttons);
  }

  #showImage() {
    const { preview } = this.journey;
    if (!preview || this.#image.querySelector("img")) return;
    this.#image.replaceChildren(h("img", { src: preview, alt: `Your photo ${this.number}` }));
  }

  #say(words) {
    announce(`Photo ${this.number}: ${words}`);
  }
}

function stage(name, words, place, at) {
  const state = place < at ? "past" : place === at ? "present" : "future";
  return h("span", { class: `stage stage-${state}`, "data-stage": name }, h("span", { class: "stage-bar" }), words);
}
