// What went wrong, in words for those who run the service.

import { button, h, icon } from "../js/dom.js";

const WORDS = {
  rate_limited: "Too many attempts. Wait a minute, then try again.",
  forbidden: "This key has read-only access.",
  cross_site: "The request did not come from this page. Reload the page.",
  conflict: "Someone else changed this at the same time. Review the change, then decide.",
};

/** Return one or two sentences for a problem. The service's own detail comes first: it knows more. */
export function problemText(problem) {
  const detail = problem.message && problem.message !== problem.code ? sentence(problem.message) : "";
  return detail || WORDS[problem.code] || "The request failed. Try again.";
}

/**
 * Return a note of what went wrong, with a way to try again.
 *
 * @param {any} problem
 * @param {(() => unknown) | null} [again]
 */
export function problemNote(problem, again = null) {
  return h(
    "div",
    { class: "problem-note", role: "alert" },
    icon("alert"),
    h("p", {}, problemText(problem)),
    again && button("Try again", { onclick: again }),
  );
}

function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
