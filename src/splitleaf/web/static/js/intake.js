// All the ways by which photos come in: chosen, taken, dropped, pasted.

import { byId } from "./dom.js";

/** Call `onFiles(files)` with at least one file each time. */
export function openIntake(onFiles) {
  for (const input of [byId("picker"), byId("camera")]) {
    input.addEventListener("change", () => {
      take([...input.files]);
      input.value = ""; // so that the same file may be chosen twice
    });
  }
  byId("picker").multiple = true; // without this script the form sends one
  byId("intake-form").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("paste", (event) => take([...(event.clipboardData?.files ?? [])]));
  openDrop(take);

  function take(files) {
    if (files.length > 0) onFiles(files);
  }
}

/** Open the file dialog, as if the page's own button had been pressed. */
export function askForPhoto() {
  byId("picker").click();
}

function openDrop(take) {
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
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", (event) => {
    show(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
}
