// "Why this answer?": where on the photo the evidence lies, drawn over it at a press.

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
    this.#button = button("Why this answer?", {
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
      const { heat } = await explanation(this.#record.id);
      this.#draw(heat);
    } catch {
      this.#words.textContent = "That cannot be shown at the moment. Please try again.";
    } finally {
      this.#button.removeAttribute("aria-disabled");
    }
  }

  #draw(heat) {
    const where = heat && placeOf(heat);
    if (!where) {
      this.#words.textContent = "For this answer nothing can be shown.";
      return;
    }
    this.#map?.remove(); // two quick presses
    this.#map = drawing(heat, this.#image.querySelector("img"));
    this.#image.append(this.#map);
    this.#button.setAttribute("aria-pressed", "true");
    const name = this.#record.result.display_name;
    this.#words.textContent = `The warmer a place on the photo, the more it speaks for “${name}”. Most of it lies ${where}.`;
  }

  #hide() {
    this.#map?.remove();
    this.#map = null;
    this.#button.setAttribute("aria-pressed", "false");
    this.#words.textContent = "";
  }
}

/** Return in words where the warm cells lie, or null where there are none. */
export function placeOf(heat) {
  const warm = heat.flatMap((row, y) => row.map((value, x) => ({ x, y, value }))).filter((cell) => cell.value >= WARM);
  if (warm.length === 0) return null;
  if (warm.length > WIDE * heat.length * heat[0].length) return "all over the photo";
  const total = warm.reduce((sum, cell) => sum + cell.value, 0);
  const middle = (axis, length) =>
    warm.reduce((sum, cell) => sum + (cell[axis] + 0.5) * cell.value, 0) / total / length;
  const [x, y] = [middle("x", heat[0].length), middle("y", heat.length)];
  const rows = thirdOf(y, "upper", "lower");
  const columns = thirdOf(x, "left", "right");
  if (!rows && !columns) return "in the middle";
  if (rows && columns) return `in the ${rows} ${columns}`;
  return rows ? `in the ${rows} part` : `on the ${columns}`;
}

function thirdOf(place, first, last) {
  if (place < 0.36) return first;
  return place > 0.64 ? last : "";
}

function drawing(heat, photo) {
  const canvas = h("canvas", { class: "heat", "aria-hidden": "true" });
  // The proportions of the photo: then the same `object-fit` lays both over each other.
  const scale = SIDE / Math.max(photo.naturalWidth, photo.naturalHeight);
  canvas.width = Math.max(1, Math.round(photo.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(photo.naturalHeight * scale));
  const context = contextOf(canvas);
  context.imageSmoothingQuality = "high";
  context.drawImage(cells(heat), 0, 0, canvas.width, canvas.height);
  return canvas;
}

function cells(heat) {
  const small = document.createElement("canvas");
  [small.width, small.height] = [heat[0].length, heat.length];
  const image = new ImageData(small.width, small.height);
  for (const [place, value] of heat.flat().entries()) image.data.set(colourOf(value / 100), 4 * place);
  contextOf(small).putImageData(image, 0, 0);
  return small;
}

// From yellow to red, and from clear to covering: it differs from green also for those who see no red.
function colourOf(heat) {
  return [255, Math.round(225 - 190 * heat), Math.round(60 - 40 * heat), Math.round(200 * heat ** 1.2)];
}
