// Which theme is shown: the system's, or the one that was chosen here. Runs before anything is painted.
"use strict";
(() => {
  const KEY = "homeostat.theme";
  const CHOICES = ["system", "light", "dark"];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let choice = "system";
  try {
    choice = localStorage.getItem(KEY) ?? "system";
  } catch {
    // Without storage the system's theme is shown.
  }
  if (!CHOICES.includes(choice)) choice = "system";

  const show = () => {
    const theme = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
    document.documentElement.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-switch]")) button.textContent = `Theme: ${choice}`;
  };
  show();
  dark.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => {
    show();
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.addEventListener("click", () => {
        choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
        try {
          localStorage.setItem(KEY, choice);
        } catch {
          // It holds until the page is left.
        }
        show();
      });
    }
  });
})();
