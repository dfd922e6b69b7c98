// Descriptions of the conditions. A label that is not in the guide simply has none.

let pages = {};

export async function loadGuide() {
  try {
    const response = await fetch(new URL("../conditions.json", import.meta.url));
    if (response.ok) pages = await response.json();
  } catch {
    // The answer stands without its description.
  }
}

/** Return `{kind, cause, summary, signs, first_steps}` or null. */
export function describe(label) {
  return Object.hasOwn(pages, label) ? pages[label] : null;
}
