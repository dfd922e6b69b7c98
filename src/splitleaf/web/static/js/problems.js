// What went wrong, in words that say what to do.

/** An error with a stable code; `retryAfterS` is set where trying again by itself is right. */
export class Problem extends Error {
  /**
   * @param {string} code
   * @param {{status?: number, detail?: string, retryAfterS?: number | null}} [more]
   */
  constructor(code, { status = 0, detail = "", retryAfterS = null } = {}) {
    super(detail || code);
    this.code = code;
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

const OTHER_PHOTO = "other";
const TRY_AGAIN = "again";

const FRESH_PHOTO = "Take the photo again, or choose another one.";
const KINDS = "Please send a JPEG, PNG, WebP, HEIC or AVIF photo.";

const WORDS = {
  image_empty: ["This file is empty", `It may not have been copied completely. ${FRESH_PHOTO}`, OTHER_PHOTO],
  image_corrupt: ["This photo is damaged", `It cannot be read. ${FRESH_PHOTO}`, OTHER_PHOTO],
  image_truncated: [
    "Part of this photo is missing",
    "It seems that it was not saved or downloaded completely. Open it on your device to load it fully, then send it again.",
    OTHER_PHOTO,
  ],
  image_too_small: [
    "This photo is too small",
    "There is too little to see on it. Send the original, not a thumbnail.",
    OTHER_PHOTO,
  ],
  image_too_many_pixels: [
    "This image is too large",
    "Make it smaller, or take a normal photo of one leaf.",
    OTHER_PHOTO,
  ],
  image_bad_aspect: [
    "This image is too long and narrow",
    "Panoramas cannot be read. Take a normal photo of one leaf.",
    OTHER_PHOTO,
  ],
  image_animated: ["This image moves", "Send a single still photo instead.", OTHER_PHOTO],
  image_too_complex: ["This image cannot be read safely", FRESH_PHOTO, OTHER_PHOTO],
  metadata_too_large: [
    "This file carries too much besides the photo",
    "Save a copy without extra data, or take a new photo.",
    OTHER_PHOTO,
  ],
  unsupported_media_type: ["This is not a photo we can read", KINDS, OTHER_PHOTO],
  payload_too_large: [
    "This file is too big",
    "Photos may have up to 10 MB. Make it smaller, or take it at a lower resolution.",
    OTHER_PHOTO,
  ],
  overloaded: [
    "Many photos are waiting just now",
    "Nothing is wrong with yours. Please try again in a minute.",
    TRY_AGAIN,
  ],
  rate_limited: ["That was a lot of photos", "Please wait a moment before you send more.", TRY_AGAIN],
  no_model_ready: ["We are not quite ready", "The service is starting. Please try again in a minute.", TRY_AGAIN],
  unavailable: [
    "The service is resting for a moment",
    "Nothing is wrong with your photo. Please try again in a minute.",
    TRY_AGAIN,
  ],
  offline: ["You are offline", "Your photo is still here. Connect to the internet, then try again.", TRY_AGAIN],
  unreachable: [
    "The service cannot be reached",
    "Check your connection, then try again. Your photo is still here.",
    TRY_AGAIN,
  ],
  expired: ["That took too long", "Too many photos were waiting. Please try again.", TRY_AGAIN],
  inference_failed: [
    "The photo could not be judged",
    "That is our fault, not yours. Try again, or take another photo.",
    TRY_AGAIN,
  ],
  timed_out: ["That took too long", "Too many photos were waiting. Please try again.", TRY_AGAIN],
  not_found: ["This photo is no longer there", "It waited too long. Please send it again.", TRY_AGAIN],
  prediction_not_found: ["This photo is no longer there", "It waited too long. Please send it again.", TRY_AGAIN],
  request_timeout: [
    "Sending took too long",
    "The connection is slow. Move to where it is better, then try again.",
    TRY_AGAIN,
  ],
  incomplete_body: ["The connection broke off", "The photo did not arrive completely. Please try again.", TRY_AGAIN],
};
const UNEXPECTED = ["Something went wrong", "That is our fault, not yours. Please try again.", TRY_AGAIN];

const MOMENTARY = {
  overloaded: "Many photos are waiting just now",
  rate_limited: "A short rest, that was a lot of photos",
  no_model_ready: "The service is starting",
  offline: "You are offline",
  unreachable: "The service cannot be reached",
};

/** Return the title, the advice and whether another try or another photo helps. */
export function explain(problem) {
  const [title, advice, remedy] = WORDS[problem.code] ?? UNEXPECTED;
  return { title, advice, wantsOtherPhoto: remedy === OTHER_PHOTO };
}

/** Return the short reason shown while the page waits to try again by itself. */
export function reasonToWait(problem) {
  return MOMENTARY[problem.code] ?? "The service is resting for a moment";
}

/** Build the Problem for a response that is not a success; any body and no body are both fine. */
export function problemFrom(status, bodyText, retryAfter) {
  /** @type {{code?: unknown, detail?: string}} */
  let body = {};
  try {
    body = JSON.parse(bodyText) ?? {};
  } catch {
    // A proxy's own page: the status has to do.
  }
  const code = typeof body.code === "string" ? body.code : codeOf(status);
  const passing = status === 429 || status === 502 || status === 503 || status === 504;
  return new Problem(code, { status, detail: body.detail, retryAfterS: passing ? secondsOf(retryAfter) : null });
}

function codeOf(status) {
  const codes = { 404: "not_found", 413: "payload_too_large", 415: "unsupported_media_type", 429: "rate_limited" };
  return codes[status] ?? (status >= 502 && status <= 504 ? "unavailable" : "unexpected");
}

function secondsOf(retryAfter) {
  const seconds = Number.parseFloat(retryAfter ?? "");
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, 120) : 5;
}
