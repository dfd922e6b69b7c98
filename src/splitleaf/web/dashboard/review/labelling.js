// Where an expert labels: the image, a button and a key for each label, undo.

import { problemNote } from "../elements/errors.js";
import { announce } from "../js/announcer.js";
import { isAbort } from "../js/concurrency.js";
import { button, freshId, h, icon } from "../js/dom.js";
import { addressOf, call } from "../shell/api.js";

const AHEAD = 4;
const KEYS = [..."1234567890", ..."qwertyiopdfghjklvbnm"]; // c, s, u, x, z and a mean something else, or slip too easily
const CANNOT_TELL = { key: "x", verdict: "cannot_tell", word: "Cannot tell" };
const SKIP = { key: "s", verdict: "skip", word: "Skip" };
const UNDO_KEY = "u";
const ZOOM_KEY = "z";
const COUNT_EVERY = 5;

/** One expert's desk. Labels go out one after the other, in the background: the next image is there at once. */
export class LabellingPanel {
  #choice;
  #signal;
  #onSaid;
  /** @type {any[]} */
  #items = [];
  /** @type {{label: string, display_name: string}[]} */
  #labels = [];
  /** @type {any[]} */
  #said = []; // what can be undone, the newest last
  /** @type {Promise<unknown>} */
  #sending = Promise.resolve();
  /** @type {Promise<void> | null} */
  #asking = null;
  #keysAreOn = true;
  #stage = h("div", { class: "stage-place" });
  #answers = h("div", { class: "answers", role: "group", "aria-label": "Labels" });
  #trouble = h("div");
  #undo = button("Undo", { iconName: "undo", className: "button", onclick: () => this.#takeBack(), disabled: true });

  constructor(choice, { signal, onSaid }) {
    this.#choice = choice;
    this.#signal = signal;
    this.#onSaid = onSaid;
    this.element = h(
      "section",
      { class: "panel desk", "aria-label": "Image to label" },
      this.#trouble,
      this.#stage,
      this.#answers,
      this.#foot(),
    );
    document.addEventListener("keydown", (event) => this.#press(event), { signal });
    signal.addEventListener("abort", () => this.#release());
  }

  async open() {
    await this.#more();
    this.#show();
  }

  #foot() {
    const id = freshId("keys");
    const toggle = h("input", {
      id,
      type: "checkbox",
      checked: true,
      onchange: () => {
        this.#keysAreOn = toggle.checked;
      },
    });
    return h(
      "div",
      { class: "desk-foot" },
      this.#undo,
      h(
        "div",
        { class: "choice for-keys" },
        toggle,
        h(
          "label",
          { for: id },
          "Keyboard shortcuts: ",
          h("kbd", {}, UNDO_KEY),
          " undo, ",
          h("kbd", {}, ZOOM_KEY),
          " zoom",
        ),
      ),
    );
  }

  /** Fetch further items, and their images ahead of time. */
  #more() {
    this.#asking ??= this.#fetch().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #fetch() {
    const { items, labels } = await call("review/next", {
      method: "POST",
      body: { ...this.#choice, count: AHEAD },
      signal: this.#signal,
    });
    if (labels.length) this.#labels = labels;
    const known = new Set([...this.#items.map(({ id }) => id), ...this.#said.map(({ id }) => id)]);
    for (const item of items) if (!known.has(item.id)) this.#items.push({ ...item, loading: this.#load(item) });
  }

  async #load({ id }) {
    const response = await fetch(addressOf(`review/items/${encodeURIComponent(id)}/image`), { signal: this.#signal });
    if (!response.ok) return null;
    return URL.createObjectURL(await response.blob());
  }

  async #show() {
    const [item] = this.#items;
    this.#undo.disabled = this.#said.length === 0;
    if (!item) {
      this.#showEnd();
      return;
    }
    this.#fillAnswers(item);
    const address = await item.loading.catch(() => null);
    if (this.#items[0] !== item || this.#signal.aborted) return;
    this.#stage.replaceChildren(
      address ? image(address) : h("p", { class: "nothing" }, "This image is no longer stored. Skip it."),
    );
  }

  #showEnd() {
    this.#answers.replaceChildren();
    this.#stage.replaceChildren(
      h(
        "div",
        { class: "desk-end" },
        icon("check"),
        h("p", {}, this.#said.length ? "All images are labelled. Thank you." : "There are no images to label."),
        button("Check again", { onclick: () => this.#guarded(() => this.open()) }),
      ),
    );
  }

  #fillAnswers(item) {
    const likely = new Set(item.candidates);
    this.#answers.replaceChildren(
      ...this.#labels.map(({ label, display_name: name }, index) =>
        answerButton(
          KEYS[index],
          name,
          likely.has(label) ? "button answer-button likely" : "button answer-button",
          () => this.#say({ label }, name),
        ),
      ),
      ...[CANNOT_TELL, SKIP].map(({ key, verdict, word }) =>
        answerButton(key, word, "quiet answer-button", () => this.#say({ verdict }, word)),
      ),
    );
  }

  #press(event) {
    const isTyping = event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog");
    if (!this.#keysAreOn || isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = event.key.toLowerCase();
    const target = [...this.#answers.querySelectorAll("button")].find((one) => one.dataset.press === key);
    if (target) target.click();
    else if (key === UNDO_KEY) this.#undo.click();
    else if (key === ZOOM_KEY) this.#stage.querySelector("button")?.click();
    else return;
    event.preventDefault();
  }

  #say(word, name) {
    const item = this.#items.shift();
    if (!item) return;
    this.#said.push(item);
    announce(name);
    const body = { ...word, expert: this.#choice.expert };
    this.#send(item, () =>
      call(`review/items/${encodeURIComponent(item.id)}/label`, { method: "POST", body, signal: this.#signal }),
    );
    this.#show();
    if (this.#items.length < 2) this.#guarded(() => this.#refill());
  }

  async #refill() {
    await this.#more();
    if (this.#items.length) await this.#show();
  }

  #send(item, request) {
    this.#sending = this.#sending
      .then(request)
      .then(() => {
        if (this.#said.length % COUNT_EVERY === 0) return this.#onSaid();
        return null;
      })
      .catch((problem) => this.#giveBack(item, problem));
  }

  /** Show an image again whose label did not get through. */
  #giveBack(item, problem) {
    if (isAbort(problem) || this.#signal.aborted) return;
    this.#said = this.#said.filter((one) => one !== item);
    if (problem.status !== 409 && problem.status !== 404) this.#items.unshift(item);
    this.#trouble.replaceChildren(problemNote(problem));
    this.#show();
  }

  #takeBack() {
    const item = this.#said.pop();
    if (!item) return;
    this.#items.unshift(item);
    this.#show();
    announce("Label undone.");
    const body = { expert: this.#choice.expert };
    const request = () =>
      call(`review/items/${encodeURIComponent(item.id)}/undo`, { method: "POST", body, signal: this.#signal });
    this.#sending = this.#sending.then(request).catch((problem) => this.#trouble.replaceChildren(problemNote(problem)));
  }

  async #guarded(task) {
    try {
      this.#trouble.replaceChildren();
      await task();
    } catch (problem) {
      if (!isAbort(problem)) this.#trouble.replaceChildren(problemNote(problem));
    }
  }

  async #release() {
    for (const item of [...this.#items, ...this.#said]) {
      const address = await item.loading.catch(() => null);
      if (address) URL.revokeObjectURL(address);
    }
  }
}

function answerButton(key, word, className, onclick) {
  return h(
    "button",
    { type: "button", class: className, onclick, "data-press": key ?? null },
    h("span", {}, word),
    key && h("kbd", { "aria-hidden": "true" }, key),
  );
}

/** Return the image in a button that enlarges it where it was touched. */
function image(address) {
  const image = h("img", { src: address, alt: "The image to label" });
  const frame = h(
    "button",
    { type: "button", class: "stage", "aria-pressed": "false", "aria-label": "Image to label; press to zoom" },
    image,
  );
  frame.addEventListener("click", (event) => {
    const isLarge = frame.getAttribute("aria-pressed") === "true";
    const box = frame.getBoundingClientRect();
    const isPointed = event.detail > 0;
    const left = isPointed ? ((event.clientX - box.left) / box.width) * 100 : 50;
    const top = isPointed ? ((event.clientY - box.top) / box.height) * 100 : 50;
    image.style.transformOrigin = `${left}% ${top}%`;
    frame.setAttribute("aria-pressed", String(!isLarge));
  });
  return frame;
}
