// The card of one photo: its image, where it stands, its answer.

import { announce } from "./announcer.js";
import { answerView, chipsOf, spoken, titleOf, toneOf } from "./answer.js";
import { button, freshId, h, icon } from "./dom.js";
import { explanationView } from "./explanation.js";
import { explain, reasonToRetry } from "./problems.js";

const STAGES = [
  ["uploading", "Uploading"],
  ["queued", "Waiting"],
  ["running", "Analysing"],
];
const TITLES = {
  preparing: "Preparing the photo",
  waiting: "Waiting to upload",
  uploading: "Uploading the photo",
  queued: "Waiting in the queue",
  running: "Analysing the leaf",
};

export class Card {
  submission;
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
  constructor(submission, number, hooks) {
    this.submission = submission;
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
            h("span", { class: "file-name" }, submission.fileName),
          ),
          this.#title,
        ),
        this.#body,
      ),
    );
    submission.addEventListener("change", () => this.#update());
    this.#update();
  }

  focus() {
    this.#title.focus({ preventScroll: true });
  }

  #update() {
    const { phase } = this.submission;
    this.#showImage();
    if (phase !== this.#shown || phase === "retrying") {
      const focused = /** @type {HTMLElement | null} */ (this.#body.querySelector(":focus"));
      clearInterval(this.#clock);
      this.#shown = phase;
      this.element.dataset.phase = phase;
      delete this.element.dataset.tone;
      this.#render(phase);
      if (focused) this.#returnFocus(focused.dataset.role);
    }
    if (phase === "uploading") this.#showUpload(this.submission.progress);
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
    else if (phase === "retrying") this.#renderRetry();
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
    track.setAttribute("aria-valuetext", `Uploading, ${percent} percent`);
    this.#title.textContent = progress < 1 ? `Uploading the photo, ${percent} %` : "Uploaded";
  }

  #renderRetry() {
    const { problem, retryAt } = this.submission;
    const reason = reasonToRetry(problem);
    this.#title.textContent = reason;
    const count = h("p", { class: "countdown" });
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
      count.textContent = `Your photo is still here. Retrying in ${seconds} s.`;
    };
    tick();
    this.#clock = setInterval(tick, 500);
    this.#body.replaceChildren(
      count,
      this.#actions(
        button("Retry now", { iconName: "retry", onclick: () => this.submission.retryNow() }),
        this.#cancelButton(),
      ),
    );
    this.#say(`${reason}. The page retries automatically.`);
  }

  #renderAnswer() {
    const { result } = this.submission.prediction;
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
    const { title, advice, wantsOtherPhoto } = explain(this.submission.problem);
    const again = button("Try again", {
      iconName: "retry",
      className: "button primary",
      onclick: () => this.submission.start(),
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
    this.#title.textContent = "Cancelled";
    this.#body.replaceChildren(
      h("p", {}, "This photo was not analysed."),
      this.#actions(button("Try again", { iconName: "retry", onclick: () => this.submission.start() })),
      this.#removeButton(),
    );
    this.#say("Cancelled.");
  }

  #cancelButton() {
    return button("Cancel", {
      className: "quiet",
      "data-role": "cancel",
      "aria-label": `Cancel photo ${this.number}`,
      onclick: () => this.submission.cancel(),
    });
  }

  #removeButton() {
    return button("", {
      className: "quiet icon-button put-away",
      iconName: "cross",
      title: "Remove",
      "aria-label": `Remove photo ${this.number}`,
      onclick: () => this.#hooks.onRemove(this),
    });
  }

  #actions(...buttons) {
    return h("div", { class: "buttons card-actions" }, buttons);
  }

  #showImage() {
    const { preview } = this.submission;
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
