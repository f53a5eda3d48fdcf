// Tables that are cards where there is no room. Roles are named, because a card's `display` takes those of the elements away.

import { h } from "./dom.js";

/** @typedef {{label: string, number?: boolean}} Column */

/**
 * @param {string} caption
 * @param {Column[]} columns the first one names the row
 * @param {{key: string, cells: import("./dom.js").Child[]}[]} rows
 */
export function table(caption, columns, rows) {
  const head = columns.map((column) => h("th", { scope: "col", role: "columnheader", class: column.number ? "number" : null }, column.label));
  const cell = (content, place) => {
    const column = columns[place];
    if (place === 0) return h("th", { scope: "row", role: "rowheader" }, content);
    return h("td", { role: "cell", "data-label": column.label, class: column.number ? "number" : null }, content);
  };
  return h(
    "table",
    { role: "table" },
    h("caption", {}, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row", "data-key": row.key }, row.cells.map(cell)))),
  );
}

/** A mark: a word with a sign, in its colour. @param {{tone: string, text: string}} said */
export const mark = (said) => h("span", { class: `mark ${said.tone}` }, said.text);
