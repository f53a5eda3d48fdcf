// What every page has: the bar, the way to another user, keys, ages that go on, ids that are copied, announcements.

import { h, render } from "./dom.js";
import { age, exact } from "./format.js";
import { listen } from "./keys.js";
import { address, unaskable, userPage } from "./root.js";

/** Milliseconds between two announcements; of those in between, the last is read. */
const BETWEEN = 4_000;

/** Wires the shell. @param {string} page its name in the bar */
export function begin(page) {
  document.querySelector(`[data-page="${page}"]`)?.setAttribute("aria-current", "page");
  document.querySelectorAll("form[data-go]").forEach(goes);
  document.addEventListener("click", copies);
  keys();
  setInterval(tick, 1_000);
}

function goes(form) {
  const input = form.querySelector("input");
  const problem = form.querySelector(".problem");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const why = unaskable(input.value);
    problem.textContent = why;
    if (why === "") location.assign(userPage(input.value.trim()));
    else input.focus();
  });
  input.addEventListener("input", () => {
    problem.textContent = "";
  });
}

function keys() {
  const dialog = document.querySelector("[data-keys]");
  const shortcuts = [
    { keys: ["/"], meaning: "go to the search for a user", act: () => document.getElementById("go")?.focus() },
    { keys: ["g", "u"], meaning: "page of users", act: () => location.assign(address("users")) },
    { keys: ["g", "r"], meaning: "page of recommendations", act: () => location.assign(address("recommendations")) },
    { keys: ["?"], meaning: "show these keys", act: () => dialog.showModal() },
  ];
  listen(shortcuts);
  const more = [{ keys: ["Esc"], meaning: "leave a field, close this list" }];
  render(
    document.querySelector("[data-key-list]"),
    [...shortcuts, ...more].map(({ keys, meaning }) => [h("dt", {}, keys.map((key) => [h("kbd", {}, key), " "])), h("dd", {}, meaning)]),
  );
  document.querySelector("[data-show-keys]")?.addEventListener("click", () => dialog.showModal());
}

async function copies(event) {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  if (!(button instanceof HTMLElement)) return;
  const isCopied = await copy(button.dataset.copy ?? "");
  const label = button.textContent;
  button.textContent = isCopied ? "copied" : "not copied";
  announce(isCopied ? "Copied." : "Not copied.", true);
  setTimeout(() => {
    button.textContent = label;
  }, 1_500);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers have a clipboard on https and on this machine only.
    const field = h("textarea", { class: "hidden", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    return isCopied;
  }
}

/** A time as its age, which goes on; the exact one on hover. @param {number} time @param {string} [before] text before the age */
export const ago = (time, before = "") =>
  h("time", { datetime: Number.isNaN(time) ? null : new Date(time).toISOString(), title: exact(time), "data-time": time, "data-before": before }, before, age(time));

function tick() {
  for (const element of document.querySelectorAll("time[data-time]")) {
    const text = `${element.dataset.before}${age(Number(element.dataset.time))}`;
    if (element.textContent !== text) element.textContent = text;
  }
}

let last = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let waiting;

/** Has a text read out, soon. @param {string} text @param {boolean} [isAnswer] to what the person just did: at once */
export function announce(text, isAnswer = false) {
  clearTimeout(waiting);
  waiting = setTimeout(
    () => {
      last = Date.now();
      const place = document.querySelector("[data-announcements]");
      if (place) place.textContent = text;
    },
    isAnswer ? 0 : Math.max(0, last + BETWEEN - Date.now()),
  );
}

/** Calls `shown` and `hidden` as the page is seen and not, beginning now. @param {() => void} shown @param {() => void} hidden */
export function whileSeen(shown, hidden) {
  const look = () => (document.visibilityState === "hidden" ? hidden() : shown());
  document.addEventListener("visibilitychange", look);
  window.addEventListener("pagehide", hidden);
  window.addEventListener("pageshow", (event) => event.persisted && look());
  look();
}
