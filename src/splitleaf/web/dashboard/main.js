// Puts the parts of the dashboard together.

import { byId } from "./js/dom.js";
import { openRouter } from "./shell/router.js";
import { logOut, openSession } from "./shell/session.js";

byId("log-out").addEventListener("click", async () => {
  await logOut();
  location.assign("/admin"); // a fresh document: nothing of what was shown stays in memory
});

const hasLoggedIn = await openSession();
byId("pages").hidden = false;
byId("log-out").hidden = false;
await openRouter({ isArrival: hasLoggedIn });
document.documentElement.dataset.ready = "";
