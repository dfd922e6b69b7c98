// Dropping photos, and folders of photos, anywhere on the page.

import { byId } from "./dom.js";

const IMAGE_NAME = /\.(jpe?g|jfif|png|webp|hei[cf]|avif)$/i;

/** Call `take(files)` for each drop; the whole window is the target, and says so meanwhile. */
export function openDrop(take) {
  const veil = byId("drop-veil");
  let depth = 0; // enter and leave come for each element under the pointer
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  const show = (shown) => {
    depth = shown ? depth : 0;
    veil.hidden = !shown;
  };

  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    show(true);
  });
  addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) show(false);
  });
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault(); // otherwise the browser opens the file and the page is gone
    /** @type {DataTransfer} */ (event.dataTransfer).dropEffect = "copy";
  });
  addEventListener("drop", (event) => {
    show(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    collect(event.dataTransfer).then(take);
  });
}

/** Return the files, and the images of dropped folders. The transfer is empty once the event is over. */
async function collect(transfer) {
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const folders = entries.filter((entry) => entry?.isDirectory);
  if (folders.length === 0) return files;
  const names = new Set(folders.map((folder) => folder.name));
  const inside = await Promise.all(folders.map(imagesIn));
  return [...files.filter((file) => !names.has(file.name)), ...inside.flat()];
}

async function imagesIn(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const batch = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (batch.length === 0) break; // a reader gives a hundred at a time
    found.push(...batch.filter((entry) => entry.isFile && IMAGE_NAME.test(entry.name)));
  }
  found.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  const files = await Promise.all(
    found.map((entry) => new Promise((resolve) => entry.file(resolve, () => resolve(null)))),
  );
  return files.filter(Boolean);
}
