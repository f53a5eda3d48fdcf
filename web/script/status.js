// The state of what a page shows: fresh, lost with the time of what is shown, or in need of something.

import { h } from "./dom.js";
import { clock, duration } from "./format.js";

/** @typedef {{state: "live" | "waiting" | "lost", word: string, more: string[]}} Status */

/** In how many seconds something is tried. @param {number} time */
export const until = (time) => `next try in ${duration(Math.max(1, (time - Date.now()) / 1000))}`;

/** How a status is drawn. @param {Status} status */
export const drawn = ({ state, word, more }) => [
  h("span", { class: "state", "data-state": state }, word),
  more.map((text) => h("span", {}, text)),
];

/**
 * The status while readings fail.
 * @param {import("./refresher.js").State} state
 * @returns {Status}
 */
export const lost = (state) => ({
  state: "lost",
  word: state.failure?.status === 0 ? "✕ connection lost" : "✕ error",
  more: [state.asOf === 0 ? "nothing was read yet" : `as of ${clock(state.asOf)}`],
});

/**
 * What failed, since when, and when it is tried again.
 * @param {import("./refresher.js").State} state
 */
export function lostNotice(state) {
  const shown = state.asOf === 0 ? "Nothing was read yet." : `What is shown is as of ${clock(state.asOf)}.`;
  return h(
    "div",
    { class: "notice", "data-tone": "bad", "data-key": "lost" },
    h("p", {}, h("strong", {}, state.failure?.status === 0 ? "The connection is lost: " : "The service answers with an error: "), state.failure?.message),
    h("p", {}, `Since ${clock(state.since)}. ${shown} `, h("span", { class: "muted" }, `${until(state.next)}.`), " ", h("button", { type: "button", "data-act": "retry" }, "Try now")),
  );
}

/** Grey or not. @param {boolean} isStale */
export function stale(isStale) {
  const main = document.getElementById("main");
  if (main) main.dataset.stale = String(isStale);
}

/** Lines where something will be. @param {number} lines */
export const skeleton = (lines) =>
  h("div", { class: "skeletons", "data-key": "skeleton" }, h("span", { class: "hidden" }, "Loading"), Array.from({ length: lines }, () => h("div", { class: "skeleton", "aria-hidden": "true" })));
