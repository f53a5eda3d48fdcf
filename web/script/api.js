// Requests to the API, as the command line makes them.

import { heard } from "./format.js";
import { address } from "./root.js";

/** Milliseconds after which an answer is not waited for any longer. */
const PATIENCE = 15_000;

/** Why there is no answer: what the service said, or that it said nothing. */
export class Failure extends Error {
  /**
   * @param {number} status 0: no answer came
   * @param {string} kind the last part of the problem's type, such as `unknown-user`
   * @param {string} detail what, where, and what to do
   * @param {number} [wait] milliseconds that the service asks to wait
   */
  constructor(status, kind, detail, wait = 0) {
    super(detail);
    this.status = status;
    this.kind = kind;
    this.wait = wait;
  }

  /** Whether a token is missing, or is another one than is needed. */
  get isAccess() {
    return this.status === 401 || (this.status === 403 && this.kind !== "cross-site");
  }
}

/**
 * The headers of a request with this token.
 * @param {string} token
 */
export const withToken = (token) => (token === "" ? {} : { Authorization: `Bearer ${token}` });

/** What an answer that is no success says. @param {Response} answer */
export async function failureOf(answer) {
  const seconds = Number(answer.headers.get("retry-after") ?? 0);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : 0;
  try {
    const problem = await answer.json();
    const kind = String(problem.type ?? "").split(":").at(-1) ?? "";
    return new Failure(answer.status, kind, String(problem.detail ?? problem.title ?? answer.status), wait);
  } catch {
    return new Failure(answer.status, "", `the answer has status ${answer.status} and does not come from Homeostat`, wait);
  }
}

/**
 * What a path of the API answers.
 * @param {string} path @param {{token?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function ask(path, { token = "", signal } = {}) {
  const limit = AbortSignal.timeout(PATIENCE);
  const signals = signal ? AbortSignal.any([signal, limit]) : limit;
  let answer;
  try {
    answer = await fetch(address(path), { headers: { Accept: "application/json", ...withToken(token) }, cache: "no-store", signal: signals });
    heard(answer.headers.get("date"));
    if (answer.ok) return await answer.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (limit.aborted) throw new Failure(0, "silent", `no answer came within ${PATIENCE / 1000} s`);
    throw new Failure(0, "unreachable", answer ? "the answer ended early, or is no JSON" : "the service does not answer");
  }
  throw await failureOf(answer);
}
