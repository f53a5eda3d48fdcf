// What the catalog knows of items, asked for in one request and remembered for a minute.

import { Failure, ask } from "./api.js";

/** Items asked for at once, and letters of an address, at most. */
const ITEMS_MAX = 100;
const LETTERS_MAX = 6_000;
/** Items remembered; the oldest leave. */
const KNOWN_MAX = 2_000;
const KEPT_MS = 60_000;

/** @typedef {{title?: string, genres: string[], available: boolean}} Item */

export class Titles {
  /** @type {Map<string, {item: Item | undefined, until: number}>} */
  #known = new Map();

  /** What is known of an item. @param {string} id */
  of(id) {
    return this.#known.get(id)?.item;
  }

  /** Learns of those that are not known yet. Without an answer ids are shown. @param {Iterable<string>} ids @param {AbortSignal} signal */
  async learn(ids, signal) {
    const now = Date.now();
    const wanted = [...new Set(ids)].filter((id) => !((this.#known.get(id)?.until ?? 0) > now));
    for (const part of parts(wanted)) {
      try {
        const query = part.map((id) => `item=${encodeURIComponent(id)}`).join("&");
        const { items } = await ask(`api/v1/catalog?${query}`, { signal });
        const found = new Map(items.map((item) => [item.item_id, item]));
        for (const id of part) this.#keep(id, found.get(id), now + KEPT_MS);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        return;
      }
    }
  }

  #keep(id, item, until) {
    this.#known.delete(id);
    this.#known.set(id, { item, until });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= KNOWN_MAX) break;
      this.#known.delete(oldest);
    }
  }
}

/** @param {string[]} ids */
function parts(ids) {
  const found = [];
  let letters = 0;
  for (const id of ids) {
    const length = encodeURIComponent(id).length + 6;
    const last = found.at(-1);
    if (!last || last.length >= ITEMS_MAX || letters + length > LETTERS_MAX) {
      found.push([id]);
      letters = length;
    } else {
      last.push(id);
      letters += length;
    }
  }
  return found;
}
