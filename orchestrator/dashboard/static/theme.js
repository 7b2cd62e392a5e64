// Dark, light, or as the system has it; remembered in this browser.
import { byId, setText } from "./dom.js";

const NEXT = { system: "dark", dark: "light", light: "system" };

function apply(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  setText(byId("theme"), `Theme: ${theme}`);
}

export function startTheme() {
  let theme = localStorage.getItem("theme");
  if (!(theme in NEXT)) theme = "system";
  apply(theme);
  byId("theme").addEventListener("click", () => {
    theme = NEXT[theme];
    localStorage.setItem("theme", theme);
    apply(theme);
  });
}
