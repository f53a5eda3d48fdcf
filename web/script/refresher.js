// What a page shows, read again from time to time and when something says that it changed: at most four times a second, never
// twice at the same time, and not while the page is hidden.

import { Failure } from "./api.js";

/** Milliseconds between the begins of two readings, at least. */
const GAP = 250;
const PAUSE_MAX = 30_000;

/**
 * What is known of the readings.
 * @typedef {object} State
 * @property {number} asOf when the last one succeeded, milliseconds since 1970; 0: never
 * @property {Failure | null} failure why the latest failed
 * @property {number} since when the first of the failures in a row was
 * @property {number} next when it is tried again
 */

/** Reads by `load`, and reports by `changed`. */
export class Refresher {
  #load;
  #changed;
  #every;
  #isOn = false;
  #isReading = false;
  #isWanted = false;
  #began = 0;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #abort = new AbortController();
  /** @type {State} */
  state = { asOf: 0, failure: null, since: 0, next: 0 };

  /**
   * @param {(signal: AbortSignal) => Promise<void>} load
   * @param {() => void} changed
   * @param {number} every milliseconds between two readings when nothing happens
   */
  constructor(load, changed, every) {
    this.#load = load;
    this.#changed = changed;
    this.#every = every;
  }

  start() {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#abort = new AbortController();
    this.poke();
  }

  stop() {
    this.#isOn = false;
    this.#isWanted = false;
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  /** Something changed: read soon. */
  poke() {
    if (!this.#isOn) return;
    if (this.#isReading) this.#isWanted = true;
    else this.#at(Math.max(0, this.#began + GAP - Date.now()));
  }

  #at(pause) {
    clearTimeout(this.#timer);
    this.state.next = Date.now() + pause;
    this.#timer = setTimeout(() => this.#read(), pause);
  }

  async #read() {
    this.#isReading = true;
    this.#isWanted = false;
    this.#began = Date.now();
    const signal = this.#abort.signal;
    let failure = null;
    try {
      await this.#load(signal);
    } catch (error) {
      failure = error instanceof Failure ? error : new Failure(0, "page", `this page failed: ${error}`);
      if (!(error instanceof Failure) && !signal.aborted) console.error(error);
    }
    this.#isReading = false;
    if (signal.aborted) {
      // Started again meanwhile.
      if (this.#isOn) this.poke();
      return;
    }
    if (failure) {
      const since = this.#failures === 0 ? Date.now() : this.state.since;
      const pause = Math.max(Math.min(1_000 * 2 ** this.#failures, PAUSE_MAX), failure.wait);
      this.#failures += 1;
      this.state = { ...this.state, failure, since };
      // Without the right token, asking again changes nothing.
      if (!failure.isAccess) this.#at(pause);
    } else {
      this.#failures = 0;
      this.state = { asOf: Date.now(), failure: null, since: 0, next: 0 };
      this.#at(this.#isWanted ? Math.max(0, this.#began + GAP - Date.now()) : this.#every);
    }
    this.#changed();
  }
}
