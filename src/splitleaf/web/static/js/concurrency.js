// Waiting in ways that can be ended.

export function aborted() {
  return new DOMException("canceled", "AbortError");
}

export function isAbort(error) {
  return error?.name === "AbortError";
}

/**
 * Resolve after `milliseconds`; reject with AbortError when the signal fires first.
 *
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(aborted());
      return;
    }
    const timer = setTimeout(finish, milliseconds);
    const stop = () => {
      clearTimeout(timer);
      reject(aborted());
    };
    signal.addEventListener("abort", stop, { once: true });
    function finish() {
      signal.removeEventListener("abort", stop);
      resolve();
    }
  });
}

/** Lets at most `width` tasks run at once, in the order in which they came. */
export class ConcurrencyLimit {
  #free;
  /** @type {{resolve: (value?: any) => void}[]} */
  #waiting = [];

  constructor(width) {
    this.#free = width;
  }

  async run(task, signal) {
    await this.#enter(signal);
    try {
      return await task();
    } finally {
      this.#leave();
    }
  }

  #enter(signal) {
    if (signal.aborted) return Promise.reject(aborted());
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const turn = { resolve };
      this.#waiting.push(turn);
      signal.addEventListener(
        "abort",
        () => {
          const place = this.#waiting.indexOf(turn);
          if (place < 0) return;
          this.#waiting.splice(place, 1);
          reject(aborted());
        },
        { once: true },
      );
    });
  }

  #leave() {
    const next = this.#waiting.shift();
    if (next)
      next.resolve(); // the place passes on without becoming free
    else this.#free += 1;
  }
}
