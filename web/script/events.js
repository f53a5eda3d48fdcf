// Server-sent events in a stream of text (WHATWG HTML §9.2.6). Pure.

/** @typedef {{type: string, data: string, id: string}} StreamEvent */

/** Longest line that is kept; what is longer is no event of ours. */
const LINE_MAX = 1 << 20;

/** Takes text as it comes, and gives the events that are complete. */
export class EventReader {
  #rest = "";
  #afterReturn = false;
  #data = [];
  #type = "";
  #isFirst = true;
  /** The id of the last event: what `Last-Event-ID` says. */
  lastId = "";
  /** Milliseconds until the next connection, as the service asks for; 0: it did not. */
  retry = 0;

  /**
   * @param {string} text
   * @returns {StreamEvent[]}
   */
  read(text) {
    if (this.#isFirst && text !== "") {
      text = text.replace(/^\ufeff/, "");
      this.#isFirst = false;
    }
    // Of a line end in two letters the second may come later.
    if (this.#afterReturn && text.startsWith("\n")) text = text.slice(1);
    if (text !== "") this.#afterReturn = text.endsWith("\r");
    const lines = (this.#rest + text).split(/\r\n|\r|\n/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LINE_MAX) throw new RangeError(`a line has more than ${LINE_MAX} letters`);
    return lines.map((line) => this.#line(line)).filter((event) => event !== null);
  }

  #line(line) {
    if (line === "") return this.#end();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.lastId = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
    return null;
  }

  #end() {
    const event = { type: this.#type || "message", data: this.#data.join("\n"), id: this.lastId };
    const isEmpty = this.#data.length === 0;
    this.#data = [];
    this.#type = "";
    return isEmpty ? null : event;
  }
}
