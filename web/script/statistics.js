// What was shown and clicked, over everything: totals, days, places, segments, models, and what was left out. Pure.

import { byDay, domainOf, rate } from "./charts.js";
import { h } from "./dom.js";
import { count, cut, percent, visible } from "./format.js";
import { table } from "./table.js";

/** Rows of a table that are shown before "and … more". */
const ROWS = 14;

const COLUMNS = (name) => [
  { label: name },
  { label: "Shown", number: true },
  { label: "Clicked", number: true },
  { label: "Negative", number: true },
  { label: "Click-through rate, 95 %" },
];

/** @param {any[]} rows @param {[number, number]} domain */
const cells = (rows, domain) =>
  rows.map((row) => ({
    key: row.name,
    cells: [h("bdi", {}, visible(cut(row.name, 48))), count(row.impressions), count(row.clicks), count(row.negative_feedback), rate(row.click_through, domain)],
  }));

/** The sums. @param {any} stats */
export function totals({ total, attribution_minutes: minutes }) {
  const shown = total.click_through;
  const of = (number) => (total.impressions > 0 ? `${percent(number / total.impressions)} of what was shown` : "nothing was shown");
  const one = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, value), h("dd", {}, more));
  return h(
    "dl",
    { class: "totals fades", "data-key": "totals" },
    one("Click-through rate", shown ? percent(shown.value) : "–", shown ? `95 %: ${percent(shown.low)} to ${percent(shown.high)}` : "nothing was shown"),
    one("Items shown", count(total.impressions), "pushed or served"),
    one("Clicked", count(total.clicks), `within ${minutes} min, each once`),
    one("Negative feedback", count(total.negative_feedback), of(total.negative_feedback)),
  );
}

/** Days, with a drawing. @param {any[]} days @param {number} width of the drawing */
export function daily(days, width) {
  const newest = [...days].reverse();
  const domain = domainOf(days.map((day) => day.click_through));
  const rows = cells(newest, domain);
  return h(
    "section",
    { "aria-labelledby": "days-title", "data-key": "days" },
    h("h2", { id: "days-title" }, "Days"),
    days.length === 0
      ? h("p", { class: "empty" }, "Nothing was shown on any day.")
      : [h("div", { class: "fades", "data-key": "chart" }, byDay(days.filter((day) => day.name !== "earlier"), width)), folded("By day of the impression, UTC", "Day", rows, "day")],
  );
}

function folded(caption, name, rows, word) {
  const more = rows.slice(ROWS);
  return [
    h("div", { class: "fades", "data-key": "table" }, table(caption, COLUMNS(name), rows.slice(0, ROWS))),
    more.length > 0
      ? h("details", { "data-key": "more" }, h("summary", {}, `and ${more.length} more ${word}${more.length === 1 ? "" : "s"}`), h("div", { class: "fades" }, table(`${caption}, the others`, COLUMNS(name), more)))
      : null,
  ];
}

/** A table by one dimension. @param {string} title @param {string} caption @param {string} name @param {any[]} rows */
export function part(title, caption, name, rows) {
  const id = `${name.toLowerCase()}-title`;
  const domain = domainOf(rows.map((row) => row.click_through));
  return h(
    "section",
    { "aria-labelledby": id, "data-key": id },
    h("h2", { id }, title),
    rows.length === 0 ? h("p", { class: "empty" }, "Nothing was shown yet.") : folded(caption, name, cells(rows, domain), name.toLowerCase()),
  );
}

/** @type {[string, string][]} */
const LEFT_OUT = [
  ["repeated_lists", "lists that were shown again, and counted once"],
  ["repeated_reactions", "clicks and negative feedback that came again"],
  ["unattributed", "clicks and negative feedback on what was not shown within the window"],
  ["excluded_impressions", "items shown beyond what counts of a user in an hour"],
  ["excluded_reactions", "clicks and negative feedback beyond that"],
  ["other_arm_lists", "lists of another arm than the user's first one"],
];

/** What was not counted. @param {Record<string, number>} left */
export const leftOut = (left) =>
  h(
    "section",
    { "aria-labelledby": "left-title", "data-key": "left" },
    h("h2", { id: "left-title" }, "Not counted"),
    h(
      "div",
      { class: "fades" },
      table(
        "What was left out, over all days",
        [{ label: "What" }, { label: "How many", number: true }],
        LEFT_OUT.map(([key, words]) => ({ key, cells: [words, count(left[key] ?? 0)] })),
      ),
    ),
  );
