// What went wrong, in words for those who run the service.

import { button, h, icon } from "../js/dom.js";

const WORDS = {
  rate_limited: "Too many attempts. Wait a minute, then try again.",
  forbidden: "This key may look, but not change things.",
  cross_site: "The request did not come from this page. Load it again.",
  conflict: "Somebody else changed this at the same moment. Look again, then decide.",
};

/** Return one or two sentences for a problem. The service's own detail comes first: it knows more. */
export function words(problem) {
  const detail = problem.message && problem.message !== problem.code ? sentence(problem.message) : "";
  return detail || WORDS[problem.code] || "That did not work. Please try again.";
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
    h("p", {}, words(problem)),
    again && button("Try again", { onclick: again }),
  );
}

function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
