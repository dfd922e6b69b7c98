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
const KINDS = "Send a JPEG, PNG, WebP, HEIC or AVIF photo.";

const WORDS = {
  image_empty: ["This file is empty", `The file may not have been copied completely. ${FRESH_PHOTO}`, OTHER_PHOTO],
  image_corrupt: ["This photo is damaged", `It cannot be read. ${FRESH_PHOTO}`, OTHER_PHOTO],
  image_truncated: [
    "Part of this photo is missing",
    "The photo may not have been saved or downloaded completely. Open it on your device to load all of it, then send it again.",
    OTHER_PHOTO,
  ],
  image_too_small: [
    "This photo is too small",
    "It shows too little detail. Send the original, not a thumbnail.",
    OTHER_PHOTO,
  ],
  image_too_many_pixels: [
    "This image is too large",
    "Reduce its size, or take a normal photo of one leaf.",
    OTHER_PHOTO,
  ],
  image_bad_aspect: [
    "This image is too long and narrow",
    "Panoramas are not supported. Take a normal photo of one leaf.",
    OTHER_PHOTO,
  ],
  image_animated: ["This image is animated", "Send a single still photo instead.", OTHER_PHOTO],
  image_too_complex: ["This image cannot be read safely", FRESH_PHOTO, OTHER_PHOTO],
  metadata_too_large: [
    "This file contains too much extra data",
    "Save a copy without metadata, or take a new photo.",
    OTHER_PHOTO,
  ],
  unsupported_media_type: ["This file type is not supported", KINDS, OTHER_PHOTO],
  payload_too_large: [
    "This file is too large",
    "The limit is 10 MB. Reduce the photo's size, or take it at a lower resolution.",
    OTHER_PHOTO,
  ],
  overloaded: ["The service is busy", "Your photo is fine. Try again in a minute.", TRY_AGAIN],
  rate_limited: ["Too many photos at once", "Wait a moment before you send more.", TRY_AGAIN],
  no_model_ready: ["The service is starting", "Try again in a minute.", TRY_AGAIN],
  unavailable: ["The service is temporarily unavailable", "Your photo is fine. Try again in a minute.", TRY_AGAIN],
  offline: ["You are offline", "Your photo is still here. Connect to the internet, then try again.", TRY_AGAIN],
  unreachable: [
    "The service cannot be reached",
    "Check your connection, then try again. Your photo is still here.",
    TRY_AGAIN,
  ],
  expired: ["This took too long", "Too many photos were waiting. Try again.", TRY_AGAIN],
  inference_failed: [
    "The photo could not be analysed",
    "The problem is with the service, not with your photo. Try again, or use another photo.",
    TRY_AGAIN,
  ],
  timed_out: ["This took too long", "Too many photos were waiting. Try again.", TRY_AGAIN],
  not_found: ["This photo is no longer available", "It waited too long. Send it again.", TRY_AGAIN],
  prediction_not_found: ["This photo is no longer available", "It waited too long. Send it again.", TRY_AGAIN],
  request_timeout: [
    "The upload took too long",
    "Your connection is slow. Move to a place with better reception, then try again.",
    TRY_AGAIN,
  ],
  incomplete_body: ["The connection was interrupted", "The photo did not arrive completely. Try again.", TRY_AGAIN],
};
const UNEXPECTED = [
  "Something went wrong",
  "The problem is with the service, not with your photo. Try again.",
  TRY_AGAIN,
];

const MOMENTARY = {
  overloaded: "The service is busy",
  rate_limited: "Too many photos at once",
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
export function reasonToRetry(problem) {
  return MOMENTARY[problem.code] ?? "The service is temporarily unavailable";
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
