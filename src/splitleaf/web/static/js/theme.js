// Runs before the first paint, hence no module: a chosen theme must not flash the other one.
(() => {
  const KEY = "splitleaf.theme";
  const root = document.documentElement;
  const darkSheet = /** @type {HTMLLinkElement} */ (document.getElementById("dark-colours"));
  const themeColour = /** @type {HTMLMetaElement} */ (document.querySelector("meta[name=theme-color]"));
  const system = matchMedia("(prefers-color-scheme: dark)");

  const stored = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off
    }
  };

  const store = (theme) => {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      else localStorage.removeItem(KEY);
    } catch {
      // The choice then lasts as long as the page.
    }
  };

  const systemTheme = () => (system.matches ? "dark" : "light");
  let chosen = stored();
  const theme = () => chosen ?? systemTheme();

  const show = () => {
    darkSheet.media = theme() === "dark" ? "all" : "not all";
    root.dataset.theme = theme();
    themeColour.content = theme() === "dark" ? "#121713" : "#f6f4ec";
    document.getElementById("theme-toggle")?.setAttribute("aria-pressed", String(theme() === "dark"));
  };

  const toggle = () => {
    const wanted = theme() === "dark" ? "light" : "dark";
    chosen = wanted === systemTheme() ? null : wanted; // back in step with the system: follow it again
    store(chosen);
    show();
  };

  root.classList.add("js");
  show();
  system.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => {
    const button = /** @type {HTMLElement} */ (document.getElementById("theme-toggle"));
    button.hidden = false;
    button.addEventListener("click", toggle);
    show();
  });
})();
