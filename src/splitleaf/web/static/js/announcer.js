// One live region for the whole page, so that several photos do not talk over each other.

const KEPT = 6;

export function announce(message) {
  const region = document.getElementById("announcer");
  const line = document.createElement("p");
  line.textContent = message;
  region.append(line);
  while (region.childElementCount > KEPT) region.firstElementChild.remove();
}
