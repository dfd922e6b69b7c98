// All the ways by which photos come in: chosen, taken, dropped, pasted.

import { byId } from "./dom.js";
import { openDrop } from "./drop.js";

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
