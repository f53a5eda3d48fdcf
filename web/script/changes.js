// What changed between two lists. Pure.

/** @typedef {{kind: "new" | "up" | "down" | "same", by: number}} Change */

/**
 * @param {string[]} before ids, best first
 * @param {string[]} after
 * @returns {{changes: Map<string, Change>, gone: string[], count: number}} `count`: items that are new, moved or gone
 */
export function compare(before, after) {
  const places = new Map(before.map((id, place) => [id, place]));
  /** @type {Map<string, Change>} */
  const changes = new Map();
  after.forEach((id, place) => {
    const earlier = places.get(id);
    if (earlier === undefined) changes.set(id, { kind: "new", by: 0 });
    else if (earlier > place) changes.set(id, { kind: "up", by: earlier - place });
    else if (earlier < place) changes.set(id, { kind: "down", by: place - earlier });
    else changes.set(id, { kind: "same", by: 0 });
  });
  const gone = before.filter((id) => !changes.has(id));
  const moved = [...changes.values()].filter((change) => change.kind !== "same").length;
  return { changes, gone, count: moved + gone.length };
}

/** "3 new, 2 moved, 1 gone". @param {ReturnType<typeof compare>} compared */
export function summary({ changes, gone }) {
  const kinds = [...changes.values()].map((change) => change.kind);
  const fresh = kinds.filter((kind) => kind === "new").length;
  const moved = kinds.filter((kind) => kind === "up" || kind === "down").length;
  const parts = [
    [fresh, "new"],
    [moved, "moved"],
    [gone.length, "gone"],
  ];
  const said = parts.filter(([number]) => number !== 0).map(([number, word]) => `${number} ${word}`);
  return said.length === 0 ? "unchanged" : said.join(", ");
}
