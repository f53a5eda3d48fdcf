// A stream of server-sent events that comes back when it breaks. Read by `fetch`, because `EventSource` sends no headers, and a
// token does not belong into an address.

import { Failure, failureOf, withToken } from "./api.js";
import { EventReader } from "./events.js";
import { address } from "./root.js";

/** Milliseconds until the next try, at first and at most. */
const PAUSE = 1_000;
const PAUSE_MAX = 30_000;
/** The service sends a sign of life each 15 s, unless configured otherwise; without any for so long the connection is dead. */
const SILENCE_MAX = 120_000;

/**
 * @typedef {object} Following
 * @property {(event: import("./events.js").StreamEvent) => void} onEvent
 * @property {() => void} onOpen the stream is there
 * @property {(failure: Failure, next: number) => void} onLost it is not, and is tried again at this time (milliseconds since 1970)
 */

/** One stream, which can be stopped and started again; it goes on behind the last event. */
export class Follower {
  #path;
  #token;
  #listener;
  /** @type {AbortController | null} */
  #running = null;
  #lastId = "";
  #wake = () => {};

  /** @param {string} path @param {() => string} token @param {Following} listener */
  constructor(path, token, listener) {
    this.#path = path;
    this.#token = token;
    this.#listener = listener;
  }

  start() {
    if (this.#running) return;
    this.#running = new AbortController();
    this.#follow(this.#running.signal);
  }

  stop() {
    this.#running?.abort();
    this.#running = null;
    this.#wake();
  }

  /** Tries now what would be tried later. */
  hurry() {
    this.#wake();
  }

  async #follow(signal) {
    let tries = 0;
    while (!signal.aborted) {
      const reader = new EventReader();
      reader.lastId = this.#lastId;
      let failure;
      try {
        await this.#read(reader, signal, () => {
          tries = 0;
        });
        failure = new Failure(0, "ended", "the stream ended");
      } catch (error) {
        failure = error instanceof Failure ? error : new Failure(0, "unreachable", "the stream broke");
      }
      if (signal.aborted) return;
      const growing = Math.min(PAUSE * 2 ** tries, PAUSE_MAX);
      // The hint of the service holds; beyond it, pages that lost the same instance come back at different times.
      const pause = Math.max(growing * (0.75 + Math.random() / 2), failure.wait, reader.retry);
      tries += 1;
      this.#listener.onLost(failure, Date.now() + pause);
      await this.#sleep(pause);
    }
  }

  #sleep(pause) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pause);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  async #read(reader, signal, opened) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MAX);
    const headers = { Accept: "text/event-stream", ...withToken(this.#token()), ...(this.#lastId === "" ? {} : { "Last-Event-ID": this.#lastId }) };
    try {
      const answer = await fetch(address(this.#path), { headers, cache: "no-store", signal: AbortSignal.any([signal, silence.signal]) });
      if (!answer.ok) throw await failureOf(answer);
      if (!answer.body || !answer.headers.get("content-type")?.startsWith("text/event-stream")) {
        throw new Failure(answer.status, "", "the answer is no stream of events; a proxy may have changed it");
      }
      opened();
      this.#listener.onOpen();
      const bytes = answer.body.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await bytes.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MAX);
        for (const event of reader.read(decoder.decode(value, { stream: true }))) {
          this.#lastId = reader.lastId;
          this.#listener.onEvent(event);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
