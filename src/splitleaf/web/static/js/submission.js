// One photo's way from the file to the answer. Knows nothing of the page: it tells its states.

import { cancel, isFinal, newSendingKey, submit } from "./api.js";
import { ConcurrencyLimit, isAbort, pause } from "./concurrency.js";
import { follow } from "./follow.js";
import { prepareImage } from "./images.js";
import { Problem } from "./problems.js";

// Browsers open six connections to a server at most; three photos leave room for everything else.
const sending = new ConcurrencyLimit(3);
const preparing = new ConcurrencyLimit(1); // a decoded 48 MP photo takes 200 MB

const TRIES = 6;

/**
 * Dispatches "change" when `phase` or what belongs to it has changed:
 * preparing, waiting (for its turn), uploading (`progress` 0..1), queued, running,
 * retrying (`problem`, `retryAt`: tries again by itself), answered (`prediction`),
 * failed (`problem`), canceled.
 */
export class Submission extends EventTarget {
  phase = "preparing";
  progress = 0;
  /** @type {string | null} */
  preview = null;
  /** @type {string | null} */
  keepsake = null;
  /** @type {any} */
  prediction = null;
  /** @type {Problem | null} */
  problem = null;
  retryAt = 0;

  #file;
  #image = null;
  #key = "";
  #stop = new AbortController();
  /** @type {(value?: any) => void} */
  #retryNow = () => {};

  constructor(file) {
    super();
    this.#file = file;
  }

  get fileName() {
    return this.#file.name;
  }

  get isOver() {
    return this.phase === "answered" || this.phase === "failed" || this.phase === "canceled";
  }

  /** Start, or start again after a failure. Never rejects. */
  async start() {
    this.#stop = new AbortController();
    this.#key = newSendingKey();
    this.prediction = null;
    this.problem = null;
    try {
      await this.#process(this.#stop.signal);
    } catch (error) {
      if (isAbort(error)) this.#enter("canceled");
      else this.#enter("failed", { problem: error instanceof Problem ? error : new Problem("unexpected") });
    }
  }

  cancel() {
    if (this.isOver) return;
    // The answer to this does not matter: the page has stopped waiting either way.
    if (this.prediction) cancel(this.prediction.id).catch(() => {});
    this.#stop.abort();
  }

  /** End the rest before the next try. */
  retryNow() {
    this.#retryNow();
  }

  release() {
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = null;
  }

  async #process(signal) {
    if (!this.#image) await this.#prepare(signal);
    this.#enter("waiting");
    await sending.run(async () => {
      this.prediction = await this.#withRetries(() => this.#send(signal), signal);
      await this.#awaitResult(signal);
    }, signal);
  }

  async #prepare(signal) {
    this.#enter("preparing");
    const { image, preview, keepsake } = await preparing.run(() => prepareImage(this.#file), signal);
    this.#image = image;
    this.preview = preview;
    this.keepsake = keepsake;
  }

  #send(signal) {
    this.#enter("uploading", { progress: 0 });
    return submit(this.#image, {
      key: this.#key,
      signal,
      onProgress: (progress) => this.#enter("uploading", { progress }),
    });
  }

  async #awaitResult(signal) {
    const onUpdate = (prediction) =>
      this.#enter(prediction.status === "running" ? "running" : "queued", { prediction });
    if (!isFinal(this.prediction)) {
      onUpdate(this.prediction);
      this.prediction = await follow(this.prediction.id, { signal, onUpdate });
    }
    const { status, error } = this.prediction;
    if (status === "succeeded") this.#enter("answered");
    else if (status === "canceled") this.#enter("canceled");
    else throw new Problem(status === "expired" ? "expired" : (error?.code ?? "unexpected"), { detail: error?.detail });
  }

  async #withRetries(attempt, signal) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await attempt();
      } catch (problem) {
        const passes = problem instanceof Problem && problem.retryAfterS !== null;
        if (!passes || tries >= TRIES) throw problem;
        await this.#waitToRetry(problem, tries, signal);
      }
    }
  }

  async #waitToRetry(problem, tries, signal) {
    const isLost = problem.code === "offline" || problem.code === "unreachable";
    const seconds = isLost ? problem.retryAfterS * tries : Math.max(1, problem.retryAfterS);
    const hurried = new Promise((resolve) => {
      this.#retryNow = resolve;
    });
    addEventListener("online", this.#retryNow, { once: true });
    this.#enter("retrying", { problem, retryAt: Date.now() + seconds * 1000 });
    try {
      await Promise.race([pause(seconds * 1000, signal), hurried]);
    } finally {
      removeEventListener("online", this.#retryNow);
      this.problem = null;
    }
  }

  #enter(phase, details = {}) {
    Object.assign(this, details, { phase });
    this.dispatchEvent(new Event("change"));
  }
}
