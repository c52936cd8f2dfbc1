// Light, dark, or as the system has it.
import { at } from "./dom.js";

const THEMES = ["auto", "light", "dark"];
const systemDark = matchMedia("(prefers-color-scheme: dark)");
function remembered() {
  try { return localStorage.getItem("theme"); } catch { return null; } // some browsers have none for files
}
let theme = THEMES.includes(remembered()) ? remembered() : "auto";

function renderTheme() {
  const root = document.documentElement;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  at("theme").textContent = `Theme: ${theme}`;
}

export function buildTheme() {
  at("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try { localStorage.setItem("theme", theme); } catch { /* it holds until the page is closed */ }
    renderTheme();
  });
  systemDark.addEventListener("change", renderTheme);
  renderTheme();
}
