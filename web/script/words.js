// What the API says in a word, as people say it; with a sign, so that colour is never alone.

/** @typedef {{tone: string, text: string}} Said */

/** @type {Record<string, Said>} */
const VERDICTS = {
  too_early: { tone: "muted", text: "… too early" },
  open: { tone: "muted", text: "≈ no difference known" },
  better: { tone: "good", text: "▲ better" },
  worse: { tone: "bad", text: "▼ worse" },
  untrusted: { tone: "warn", text: "! cannot be trusted" },
};

/** @type {Record<string, Said>} */
const STANDINGS = {
  too_early: { tone: "muted", text: "… too early" },
  open: { tone: "muted", text: "? open" },
  holds: { tone: "good", text: "✓ holds" },
  breached: { tone: "bad", text: "✕ breached" },
};

/** @type {Record<string, Said>} */
const STATES = {
  waiting: { tone: "muted", text: "◷ starts later" },
  running: { tone: "good", text: "● running" },
  ended: { tone: "muted", text: "■ ended" },
  removed: { tone: "muted", text: "– no longer declared" },
};

/** @type {Record<string, string>} */
const METRICS = {
  click_through: "click-through rate",
  negative_feedback: "negative feedback",
  latency_ms: "time until a list was made",
  coverage: "places filled",
};

const said = (words, word) => words[word] ?? { tone: "muted", text: String(word).replaceAll("_", " ") };

/** @param {string} word */
export const verdict = (word) => said(VERDICTS, word);
/** @param {string} word */
export const standing = (word) => said(STANDINGS, word);
/** @param {string} word */
export const stateOf = (word) => said(STATES, word);
/** @param {string} word */
export const metric = (word) => METRICS[word] ?? String(word).replaceAll("_", " ");

/** A mark for how an item of a list changed, or nothing. @param {import("./changes.js").Change | undefined} change */
export function changeMark(change) {
  if (!change || change.kind === "same") return null;
  if (change.kind === "new") return { tone: "good", text: "+ new" };
  return change.kind === "up" ? { tone: "good", text: `▲ ${change.by} up` } : { tone: "muted", text: `▼ ${change.by} down` };
}

/**
 * Why an item is recommended.
 * @param {{kind?: string, item_id?: string} | undefined} reason
 * @param {string} model
 * @returns {{text: string, item?: string}} `item`: the id of the item that the text ends with
 */
export function reasonOf(reason, model) {
  switch (reason?.kind) {
    case "chose":
      return { text: "because the user chose ", item: String(reason.item_id) };
    case "context":
      return { text: "it goes with ", item: String(reason.item_id) };
    case "trending":
      return { text: "many choose it lately" };
    case "popular":
      return { text: "many choose it" };
    case "model":
      return { text: `the model ${model} says so` };
    case undefined:
      return { text: "no reason was given" };
    default:
      return { text: String(reason?.kind).replaceAll("_", " ") };
  }
}

/** A metric's value with its unit. @param {string} name @param {number | undefined} value */
export function metricValue(name, value) {
  if (value === undefined || value === null) return "unknown";
  return name === "latency_ms" ? `${value.toFixed(1)} ms` : `${(value * 100).toFixed(2)} %`;
}
