// Ids and names of items as they are shown: as text, isolated from the direction of what is around, long ones cut and copied whole.

import { h } from "./dom.js";
import { cut, visible } from "./format.js";

/** A button that copies text; `shell.js` listens. @param {string} text @param {string} what */
export const copyButton = (text, what) => h("button", { type: "button", class: "copy", "data-copy": text, "aria-label": `Copy ${what}` }, "copy");

/** An id. @param {string} id @param {number} [most] letters that are shown */
export function identifier(id, most) {
  const seen = visible(id);
  const shown = cut(seen, most);
  const isWhole = shown === id;
  return h(
    "span",
    { class: "identifier" },
    h("bdi", { class: "id", title: isWhole ? null : seen }, shown),
    isWhole ? null : copyButton(id, `the whole id ${shown}`),
  );
}

/**
 * The title of an item and its id; without a title the id alone.
 * @param {string} id @param {{title?: string, genres: string[]} | undefined} item
 */
export function itemName(id, item) {
  if (!item?.title) return h("span", { class: "name" }, identifier(id));
  return [h("bdi", { class: "name", title: item.title.length > 120 ? item.title : null }, cut(item.title, 120)), " ", h("span", { class: "muted" }, identifier(id, 20))];
}

/** Genres of an item. @param {{genres: string[]} | undefined} item */
export const genres = (item) =>
  item && item.genres.length > 0 ? h("span", { class: "genres" }, item.genres.slice(0, 8).map((genre) => h("bdi", {}, visible(cut(genre, 40))))) : null;
