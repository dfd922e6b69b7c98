// One live region for the whole page, so that several photos do not talk over each other.

import { byId } from "./dom.js";

const KEPT = 6;

/** @param {string} message */
export function announce(message) {
  const region = byId("announcer");
  const line = document.createElement("p");
  line.textContent = message;
  region.append(line);
  while (region.childElementCount > KEPT) region.firstElementChild.remove();
}
