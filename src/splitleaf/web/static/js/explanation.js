// "Why this result?": where on the photo the evidence lies, drawn over it at a press.

import { explanation } from "./api.js";
import { button, h } from "./dom.js";
import { contextOf } from "./images.js";

const SIDE = 480; // of the drawing; the browser scales it as it scales the photo
const WARM = 50; // percent of the hottest place
const WIDE = 0.4;

/** Return a button and what it tells. `image` is the box with the photo, `record` has `id` and `result`. */
export function explanationView(record, image) {
  return new Explanation(record, image).element;
}

class Explanation {
  element;

  #record;
  #image;
  #button;
  #words;
  /** @type {HTMLCanvasElement | null} */
  #map = null;

  constructor(record, image) {
    this.#record = record;
    this.#image = image;
    this.#button = button("Why this result?", {
      className: "button",
      "aria-pressed": "false",
      onclick: () => (this.#map ? this.#hide() : this.#show()),
    });
    this.#words = h("p", { class: "why-words", role: "status" });
    this.element = h("div", { class: "why" }, this.#button, this.#words);
  }

  async #show() {
    this.#button.setAttribute("aria-disabled", "true");
    try {
      const { heat: map } = await explanation(this.#record.id);
      this.#draw(map);
    } catch {
      this.#words.textContent = "The explanation could not be loaded. Try again.";
    } finally {
      this.#button.removeAttribute("aria-disabled");
    }
  }

  #draw(map) {
    const where = map && locationOf(map);
    if (!where) {
      this.#words.textContent = "There is no explanation for this result.";
      return;
    }
    this.#map?.remove(); // two quick presses
    this.#map = drawing(map, this.#image.querySelector("img"));
    this.#image.append(this.#map);
    this.#button.setAttribute("aria-pressed", "true");
    const name = this.#record.result.display_name;
    this.#words.textContent = `Warm colours mark the areas that support “${name}”. ${where}`;
  }

  #hide() {
    this.#map?.remove();
    this.#map = null;
    this.#button.setAttribute("aria-pressed", "false");
    this.#words.textContent = "";
  }
}

/** Return a sentence that says where the warm cells are, or null if there are none. */
function locationOf(map) {
  const warm = map.flatMap((row, y) => row.map((value, x) => ({ x, y, value }))).filter((cell) => cell.value >= WARM);
  if (warm.length === 0) return null;
  if (warm.length > WIDE * map.length * map[0].length) return "They are spread across the photo.";
  const total = warm.reduce((sum, cell) => sum + cell.value, 0);
  const middle = (axis, length) =>
    warm.reduce((sum, cell) => sum + (cell[axis] + 0.5) * cell.value, 0) / total / length;
  const [x, y] = [middle("x", map[0].length), middle("y", map.length)];
  const rows = thirdOf(y, "upper", "lower");
  const columns = thirdOf(x, "left", "right");
  if (!rows && !columns) return "Most are in the centre.";
  if (rows && columns) return `Most are in the ${rows} ${columns}.`;
  return rows ? `Most are in the ${rows} part.` : `Most are on the ${columns}.`;
}

function thirdOf(place, first, last) {
  if (place < 0.36) return first;
  return place > 0.64 ? last : "";
}

function drawing(map, photo) {
  const canvas = h("canvas", { class: "heat", "aria-hidden": "true" });
  // The proportions of the photo: then the same `object-fit` lays both over each other.
  const scale = SIDE / Math.max(photo.naturalWidth, photo.naturalHeight);
  canvas.width = Math.max(1, Math.round(photo.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(photo.naturalHeight * scale));
  const context = contextOf(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(cells(map), 0, 0, canvas.width, canvas.height);
  return canvas;
}

function cells(map) {
  const small = document.createElement("canvas");
  [small.width, small.height] = [map[0].length, map.length];
  const image = new ImageData(small.width, small.height);
  for (const [place, value] of map.flat().entries()) image.data.set(colourOf(value / 100), 4 * place);
  contextOf(small).putImageData(image, 0, 0);
  return small;
}

// From yellow to red, and from clear to covering: it differs from green also for those who see no red.
function colourOf(value) {
  return [255, Math.round(225 - 190 * value), Math.round(60 - 40 * value), Math.round(200 * value ** 1.2)];
}
