// The answer as people read it: words first, then bars, then what to do.

import { button, freshId, h, icon } from "./dom.js";
import { feedbackView } from "./feedback.js";
import { describe } from "./guide.js";

const VERY_LIKELY = 90;
const UNFAMILIAR =
  "The service knows single tomato leaves on a plain background, and this photo is different, so there is no result. If this is a tomato leaf, try another photo.";
const ADVISER =
  "If you are unsure, ask a local adviser before you treat the plant. Permitted treatments differ by region.";

/** Return how sure the answer is, in words. `confidence` is in percent. */
export function inWords(result) {
  if (isUnfamiliar(result)) return "Not a tomato leaf?";
  if (!result.is_sure) return "Not sure";
  return result.confidence >= VERY_LIKELY ? "Very likely" : "Likely";
}

export function percent(confidence) {
  if (confidence > 99 && confidence < 100) return "over 99 %";
  if (confidence > 0 && confidence < 1) return "under 1 %";
  return `${Math.round(confidence)} %`;
}

/** Tell whether the photo is of another kind than the service knows. Answers remembered from before have no verdict. */
function isUnfamiliar(result) {
  return result.verdict === "unfamiliar";
}

/** Return the title of an answer; a doubtful one is not named boldly. */
export function titleOf(result) {
  if (isUnfamiliar(result)) return "This does not look like a tomato leaf";
  return result.is_sure ? result.display_name : "No clear result";
}

/** Return one of healthy, disease, pest, urgent, unsure. */
export function toneOf(result) {
  return result.is_sure ? (describe(result.label)?.kind ?? "disease") : "unsure";
}

/** One sentence for those who listen. */
export function spoken(result) {
  if (isUnfamiliar(result))
    return "This does not look like a tomato leaf, or the photo is of a kind that the service does not know.";
  if (!result.is_sure) return `Not sure. The closest match is ${result.display_name}, ${percent(result.confidence)}.`;
  return `${inWords(result)} ${result.display_name}, ${percent(result.confidence)}.`;
}

const BADGES = {
  healthy: ["check", "No disease found"],
  urgent: ["alert", "Act soon"],
  unsure: ["question", "Unclear"],
  unfamiliar: ["question", "No result"],
};

export function chipsOf(result) {
  const tone = toneOf(result);
  const [iconName, words] = BADGES[isUnfamiliar(result) ? "unfamiliar" : tone] ?? [];
  return h(
    "p",
    { class: "chips" },
    result.is_sure && h("span", { class: "chip chip-sure" }, inWords(result)),
    words && h("span", { class: `chip chip-${tone}` }, icon(iconName), words),
  );
}

/**
 * The body of an answer, without its title.
 * `record` has `id`, `result` and `feedback` (the answer given before, or null); `isOpen` shows
 * what to do at once instead of at a press.
 */
export function answerView(record, { isOpen, onFeedback, onOtherPhoto }) {
  const { result } = record;
  return h(
    "div",
    { class: "answer" },
    result.is_sure ? bars(result, "Confidence") : doubt(result),
    result.is_sure ? adviceOf(result, isOpen) : betterPhoto(isOpen, onOtherPhoto),
    feedbackView(record, { onFeedback }),
  );
}

function bars(result, caption) {
  const captionId = freshId("bars");
  return h(
    "div",
    { class: result.is_sure ? "bars" : "bars bars-faint" },
    h("p", { class: "small-head", id: captionId }, caption),
    h("ol", { "aria-labelledby": captionId }, result.top.slice(0, 3).map(bar)),
  );
}

function bar({ display_name: name, confidence }) {
  const fill = h("span", { class: "bar-fill" });
  fill.style.setProperty("--share", `${Math.max(0.5, Math.min(100, confidence))}%`);
  return h(
    "li",
    { class: "bar" },
    h("span", { class: "bar-name" }, name),
    h("span", { class: "bar-share" }, percent(confidence)),
    h("span", { class: "bar-track", "aria-hidden": "true" }, fill),
  );
}

function doubt(result) {
  const isBlank = result.remarks?.includes("low_information");
  if (isUnfamiliar(result) && !isBlank) return h("div", { class: "doubt" }, h("p", {}, UNFAMILIAR));
  const why = isBlank
    ? "This photo is almost a single colour, so there is little to analyse."
    : "This photo does not clearly match a known condition. It may show something else, or the symptoms may not be visible enough.";
  return h("div", { class: "doubt" }, h("p", {}, why), isBlank ? null : bars(result, "Closest matches (uncertain)"));
}

function betterPhoto(isOpen, onOtherPhoto) {
  return h(
    "div",
    { class: "advice" },
    more("How to take a better photo", isOpen, [
      listOf([
        "Lay one leaf flat on plain paper and fill the frame with it.",
        "Use daylight. Avoid flash and hard shadows.",
        "Tap the spots to focus before you take the photo.",
        "Choose a leaf with fresh symptoms, not one that has dried out.",
      ]),
    ]),
    button("Try another photo", { iconName: "photos", onclick: onOtherPhoto }),
  );
}

function adviceOf(result, isOpen) {
  const page = describe(result.label);
  if (!page) return null;
  const isHealthy = page.kind === "healthy";
  return h(
    "div",
    { class: "advice" },
    h("p", {}, page.summary),
    page.cause && h("p", { class: "cause" }, h("span", {}, "Cause: "), page.cause),
    more(isHealthy ? "How to keep it healthy" : "What to do first", isOpen, [
      listOf(page.first_steps),
      isHealthy ? null : h("p", { class: "adviser" }, ADVISER),
    ]),
    page.signs && more("Compare the symptoms", false, [h("p", {}, page.signs)]),
  );
}

function more(title, isOpen, content) {
  return h(
    "details",
    { class: "more", open: isOpen },
    h("summary", {}, icon("chevron"), title),
    h("div", { class: "more-body" }, content),
  );
}

function listOf(steps) {
  return h(
    "ul",
    { class: "steps-list" },
    steps.map((step) => h("li", {}, step)),
  );
}
