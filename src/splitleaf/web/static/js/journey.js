// One photo's way from the file to the answer. Knows nothing of the page: it tells its states.

import { cancel, isFinal, newSendingKey, submit } from "./api.js";
import { follow } from "./follow.js";
import { prepareImage } from "./images.js";
import { Problem } from "./problems.js";
import { isAbort, Lane, pause } from "./waiting.js";

// Browsers open six connections to a server at most; three photos leave room for everything else.
const sending = new Lane(3);
const preparing = new Lane(1); // a decoded 48 MP photo takes 200 MB

const TRIES = 6;

/**
 * Dispatches "change" when `phase` or what belongs to it has changed:
 * preparing, waiting (for its turn), uploading (`progress` 0..1), queued, running,
 * resting (`problem`, `restUntil`: tries again by itself), answered (`prediction`),
 * failed (`problem`), canceled.
 */
export class Journey extends EventTarget {
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
  restUntil = 0;

  #file;
  #image = null;
  #key = "";
  #stop = new AbortController();
  /** @type {(value?: any) => void} */
  #hurry = () => {};

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
      await this.#travel(this.#stop.signal);
    } catch (error) {
      if (isAbort(error)) this.#become("canceled");
      else this.#become("failed", { problem: error instanceof Problem ? error : new Problem("unexpected") });
    }
  }

  cancel() {
    if (this.isOver) return;
    // The answer to this does not matter: the page has stopped waiting either way.
    if (this.prediction) cancel(this.prediction.id).catch(() => {});
    this.#stop.abort();
  }

  /** End the rest before the next try. */
  hurry() {
    this.#hurry();
  }

  release() {
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = null;
  }

  async #travel(signal) {
    if (!this.#image) await this.#prepare(signal);
    this.#become("waiting");
    await sending.run(async () => {
      this.prediction = await this.#patiently(() => this.#send(signal), signal);
      await this.#arrive(signal);
    }, signal);
  }

  async #prepare(signal) {
    this.#become("preparing");
    const { image, preview, keepsake } = await preparing.run(() => prepareImage(this.#file), signal);
    this.#image = image;
    this.preview = preview;
    this.keepsake = keepsake;
  }

  #send(signal) {
    this.#become("uploading", { progress: 0 });
    return submit(this.#image, {
      key: this.#key,
      signal,
      onProgress: (progress) => this.#become("uploading", { progress }),
    });
  }

  async #arrive(signal) {
    const onUpdate = (prediction) =>
      this.#become(prediction.status === "running" ? "running" : "queued", { prediction });
    if (!isFinal(this.prediction)) {
      onUpdate(this.prediction);
      this.prediction = await follow(this.prediction.id, { signal, onUpdate });
    }
    const { status, error } = this.prediction;
    if (status === "succeeded") this.#become("answered");
    else if (status === "canceled") this.#become("canceled");
    else throw new Problem(status === "expired" ? "expired" : (error?.code ?? "unexpected"), { detail: error?.detail });
  }

  async #patiently(attempt, signal) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await attempt();
      } catch (problem) {
        const passes = problem instanceof Problem && problem.retryAfterS !== null;
        if (!passes || tries >= TRIES) throw problem;
        await this.#rest(problem, tries, signal);
      }
    }
  }

  async #rest(problem, tries, signal) {
    const isLost = problem.code === "offline" || problem.code === "unreachable";
    const seconds = isLost ? problem.retryAfterS * tries : Math.max(1, problem.retryAfterS);
    const hurried = new Promise((resolve) => {
      this.#hurry = resolve;
    });
    addEventListener("online", this.#hurry, { once: true });
    this.#become("resting", { problem, restUntil: Date.now() + seconds * 1000 });
    try {
      await Promise.race([pause(seconds * 1000, signal), hurried]);
    } finally {
      removeEventListener("online", this.#hurry);
      this.problem = null;
    }
  }

  #become(phase, details = {}) {
    Object.assign(this, details, { phase });
    this.dispatchEvent(new Event("change"));
  }
}
